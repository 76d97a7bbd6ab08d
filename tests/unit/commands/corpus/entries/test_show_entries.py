# SPDX-License-Identifier: Apache-2.0
import json
from pathlib import Path

import pytest

from node0.commands.corpus.entries.show_entries import list_entries, show_entry
from node0.errors import NotFound
from node0.finetune.corpus.store import CorpusStore

Printed = pytest.CaptureFixture[str]


def test_a_retracted_entry_is_marked_in_the_table(
    town: Path, monkeypatch: pytest.MonkeyPatch, capsys: Printed
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    CorpusStore(town / ".corpus").retracted().add([CorpusStore(town / ".corpus").get("two")])

    list_entries(town, role=None, limit=0, as_json=False)

    lines = capsys.readouterr().out.splitlines()
    (one,), (two,) = ([line for line in lines if name in line] for name in ("one", "two"))
    assert "retracted" not in one
    assert "retracted" in two


def test_entries_of_another_role_are_not_listed(town: Path, capsys: Printed) -> None:
    list_entries(town, role="deacon", limit=0, as_json=True)

    assert json.loads(capsys.readouterr().out) == []


def test_an_entry_is_shown_as_it_is_stored(town: Path, capsys: Printed) -> None:
    show_entry("one", town, as_json=True)

    shown = json.loads(capsys.readouterr().out)
    assert shown == CorpusStore(town / ".corpus").get("one").model_dump(mode="json")


def test_an_entry_that_is_not_there_is_not_found(town: Path) -> None:
    with pytest.raises(NotFound, match="nope"):
        show_entry("nope", town, as_json=False)
