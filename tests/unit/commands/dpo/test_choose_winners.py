# SPDX-License-Identifier: Apache-2.0
import io
import json
from pathlib import Path

import pytest
from dpo_registry import fill, session

from node0.commands.dpo.dpo_options import main
from node0.finetune.corpus.store import CorpusStore
from node0.finetune.registry.store import ModelRegistry
from node0.town import Town

Output = pytest.CaptureFixture[str]


@pytest.fixture
def at(tmp_path: Path) -> list[str]:
    """Options: of a town in which two tasks were done twice and a third one once."""
    town, options = Town(tmp_path), ["--town", str(tmp_path)]
    registry = ModelRegistry(town)
    fill(registry)
    registry.close()
    for bead in ("gt-1", "gt-2", "gt-3"):
        main(["compare", bead, "pc:1", "pc:2", *options])
        for side in "ab"[: 1 if bead == "gt-3" else 2]:
            CorpusStore(town).add(session(f"{bead}-{side}", f"Did {side} with {bead}."))
            main(["attach", bead, f"{bead}-{side}", "--side", side, *options])
    return options


def choose(at: list[str], text: str, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text.encode()), encoding="utf-8"))
    assert main(["choose", *arguments, *at]) == 0


def winners(at: list[str], capsys: Output) -> dict[str, tuple[str | None, str]]:
    capsys.readouterr()
    main(["list", "--json", *at])
    rows = json.loads(capsys.readouterr().out)
    return {row["task_bead_id"]: (row["chosen_branch"], row["reason"]) for row in rows}


def test_both_sides_are_seen_without_their_names_until_one_is_chosen(
    at: list[str], capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    capsys.readouterr()
    choose(at, "b it oiled the gate\nx\na\n", monkeypatch)
    shown = capsys.readouterr()

    assert "Did a with gt-1." in shown.out and "Did b with gt-1." in shown.out
    assert "pc:" not in shown.out
    assert "gt-1: that was pc:2" in shown.err and "gt-2: that was pc:1" in shown.err
    assert "gt-3: a side has no session yet" in shown.err
    assert winners(at, capsys) == {
        "gt-1": ("dpo-gt-1-b", "it oiled the gate"),
        "gt-2": ("dpo-gt-2-a", ""),
        "gt-3": (None, ""),
    }


def test_who_leaves_has_decided_what_came_before(
    at: list[str], capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    choose(at, "later\nq\n", monkeypatch)
    assert {chosen for chosen, _ in winners(at, capsys).values()} == {None}
    choose(at, "a\n", monkeypatch, "gt-2")

    assert winners(at, capsys)["gt-2"] == ("dpo-gt-2-a", "")


def test_where_nothing_waits_that_is_told(
    at: list[str], capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    capsys.readouterr()
    choose(at, "", monkeypatch, "--role", "witness")

    assert "no comparison waits for a choice" in capsys.readouterr().err
