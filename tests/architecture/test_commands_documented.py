# SPDX-License-Identifier: Apache-2.0
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

import cli_reference
from node0 import cli
from node0.usage.readable_help import command_of, example_of

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
CLI, SETTINGS, RUN_FILE = DOCS / "cli.md", DOCS / "settings.md", DOCS / "run-file.md"


def _below(path: str, command: Any) -> Iterator[tuple[str, Any]]:
    """A command or group, and all that are in it, by the words that call it."""
    yield path, command
    for name, inner in getattr(command, "commands", {}).items():
        yield from _below(f"{path} {name}", inner)


EVERY = dict(
    found
    for name, entry in cli.available().items()
    for found in _below(f"node0 {name}", command_of(import_module(entry.module).app))
)
"Every command and group."


def _help_of(path: str) -> str:
    with EVERY[path].make_context(path, [], resilient_parsing=True) as context:
        return str(context.get_help())


@pytest.mark.parametrize("path", EVERY)
def test_the_help_of_a_command_names_types_in_words_within_80_columns(path: str) -> None:
    text = _help_of(path)

    assert max(map(len, text.splitlines())) <= 80
    types = re.findall(r"<(\w[^<>]*)>", text)
    assert [one for one in types if one not in ("text", "number", "path") and "|" not in one] == []
    assert re.findall(r"\bx[<>]|[<>]=?x\b|\w\.\.\.$", text, re.MULTILINE) == []


@pytest.mark.parametrize("path", EVERY)
def test_the_help_of_a_command_has_an_example_that_the_command_takes(path: str) -> None:
    line = example_of(EVERY[path]) or ""
    words = shlex.split(line.rpartition("| ")[2].partition(" >> ")[0])

    assert line in _help_of(path)
    called = max((one for one in EVERY if words[: len(one.split())] == one.split()), key=len)
    assert called.startswith(path)
    # Unknown options, absent arguments and values of a wrong type are refused here; nothing is run.
    with EVERY[called].make_context(called, words[len(called.split()) :]):
        pass


def test_every_command_and_option_is_in_the_reference() -> None:
    page = CLI.read_text(encoding="utf-8")

    assert page == cli_reference.with_reference(page, cli_reference.commands()), "run: make docs"


def test_every_setting_is_in_the_reference() -> None:
    page = SETTINGS.read_text(encoding="utf-8")

    assert page == cli_reference.with_reference(page, cli_reference.settings()), "run: make docs"


def test_every_field_of_run_json_is_in_the_reference() -> None:
    page = RUN_FILE.read_text(encoding="utf-8")

    assert page == cli_reference.with_reference(page, cli_reference.run_file()), "run: make docs"


@pytest.mark.parametrize("page", ["commands", "settings", "run_file"])
def test_everything_in_a_reference_says_what_it_does(page: str) -> None:
    rows = [line for line in getattr(cli_reference, page)().splitlines() if line.startswith("| `")]

    assert rows
    assert [row for row in rows if re.search(r"\|\s*\|$", row)] == []


def test_every_command_has_a_heading_of_its_own() -> None:
    headings = re.findall(r"^## `(node0 [\w -]+)`$", CLI.read_text(encoding="utf-8"), re.MULTILINE)

    assert {heading.split()[1] for heading in headings} == set(cli.available())


@pytest.mark.parametrize(
    "script", sorted(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"])
)
def test_every_console_script_is_installed_and_shows_its_usage(script: str) -> None:
    done = subprocess.run(
        [Path(sys.executable).parent / script, "--help"], capture_output=True, text=True, check=True
    )

    assert done.stdout.startswith("Usage: ")
    assert f"`{script}`" in CLI.read_text(encoding="utf-8")
