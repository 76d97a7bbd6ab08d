# SPDX-License-Identifier: Apache-2.0
import json
from pathlib import Path

import pytest

from node0.commands.corpus.exchange.export_entries import Export, print_entries, write_entries
from node0.errors import NotFound
from node0.finetune.corpus.exchange.interchange_turns import Format
from node0.finetune.corpus.store import CorpusStore

Printed = pytest.CaptureFixture[str]


def _export(*ids: str, role: str | None = None) -> Export:
    return Export(ids, role=role, form=Format.OPENAI, facts=False)


def test_a_retracted_entry_stays_and_is_counted(town: Path, capsys: Printed) -> None:
    CorpusStore(town / ".corpus").retracted().add([CorpusStore(town / ".corpus").get("two")])

    print_entries(_export("two"), town)

    assert capsys.readouterr() == ("", "left out: retracted: 1\n")


def test_a_file_is_written_whole_or_not_at_all(town: Path, tmp_path: Path, capsys: Printed) -> None:
    with pytest.raises(NotFound):
        write_entries(_export("one", "nope"), town, tmp_path / "out.jsonl", as_json=False)
    assert not (tmp_path / "out.jsonl").exists()

    write_entries(_export("one"), town, tmp_path / "out.jsonl", as_json=False)

    (line,) = (tmp_path / "out.jsonl").read_text().splitlines()
    assert [turn["role"] for turn in json.loads(line)["messages"]] == ["user", "assistant"]
    assert capsys.readouterr().err == f"1 entries written to {tmp_path / 'out.jsonl'}\n"


def test_entries_of_another_role_are_not_exported(town: Path, capsys: Printed) -> None:
    print_entries(_export(role="deacon"), town)

    assert capsys.readouterr().out == ""
