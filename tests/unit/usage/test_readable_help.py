# SPDX-License-Identifier: Apache-2.0
import re
from pathlib import Path
from typing import Annotated, Any

import pytest
import typer

from node0 import console
from node0.usage.readable_help import command_of, example_of


def app_of(*, inner: bool) -> typer.Typer:
    app = typer.Typer(add_completion=False, rich_markup_mode=None)

    @app.command()
    def paint(
        colours: list[str],
        *,
        coats: Annotated[int, typer.Option(min=1, help="How many.")] = 2,
        share: Annotated[float | None, typer.Option(help="Of the wall.")] = None,
        place: Annotated[list[Path] | None, typer.Option(help="Repeatable.")] = None,
    ) -> None:
        """Paint a wall, with as many coats as it takes and in all the colours that are named.

        \b
        Example:
          node0 paint red blue --coats 3
        """

    if inner:

        @app.command()
        def wait() -> None:
            """Wait for it to dry."""

    return app


def shown(app: typer.Typer, capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert console.run(app, [*arguments, "--help"], name="node0") == 0
    return capsys.readouterr().out


def test_types_are_words_and_the_example_is_a_line_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(app_of(inner=False), capsys)

    assert "\n  Example:\n    node0 paint red blue --coats 3\n" in text
    assert "COLOURS <text>" in text
    assert re.search(r"--coats <number> +How many\.  \[default: 2; at least 1\]", text)
    assert "--share <number>" in text
    assert "--place <path>" in text
    assert not any(word in text for word in ("str>", "list[", "range", "float"))


def test_a_group_shows_whole_sentences_and_the_example_of_its_first_command(
    capsys: pytest.CaptureFixture[str],
) -> None:
    text = shown(app_of(inner=True), capsys)

    assert "..." not in text.replace("[ARGS]...", "")
    assert "in all the colours that are named." in " ".join(text.split())
    assert text.endswith("\n  Example:\n    node0 paint red blue --coats 3\n")


def test_a_command_without_an_example_has_none() -> None:
    command: Any = command_of(app_of(inner=True))

    assert example_of(command.commands["wait"]) is None
    assert example_of(command) == "node0 paint red blue --coats 3"


@pytest.mark.parametrize(
    ("bounds", "words"),
    [({"min": 1, "max": 64}, "1 to 64"), ({"max": 0.5}, "at most 0.5"), ({"min": 0.25}, "at least 0.25")],
)
def test_bounds_are_told_as_a_person_says_them(
    bounds: dict[str, float], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    app = typer.Typer(add_completion=False, rich_markup_mode=None)

    @app.command()
    def weigh(*, much: Annotated[float, typer.Option(help="So much.", **bounds)] = 0.3) -> None:  # type: ignore[arg-type]  # typer has overloads for each
        """Weigh it."""

    assert f"[default: 0.3; {words}]" in shown(app, capsys)
