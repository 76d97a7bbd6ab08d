# SPDX-License-Identifier: Apache-2.0
import json
from pathlib import Path
from typing import Literal

import pytest

from node0.commands.corpus.exchange.export_entries import Export, print_entries, write_entries
from node0.errors import NotFound
from node0.finetune.config import SelectConfig
from node0.finetune.corpus.exchange.interchange_turns import Format
from node0.finetune.corpus.schema import CorpusEntry
from node0.finetune.corpus.store import CorpusStore
from node0.finetune.data.select import select

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


@pytest.mark.parametrize("copied", ["once", "every"])
def test_exports_teach_the_answers_that_training_learns(
    town: Path, capsys: Printed, copied: Literal["once", "every"]
) -> None:
    store = CorpusStore(town / ".corpus")
    for name, last in (("first", "08"), ("resumed", "09")):
        store.add(_session(name, "06", "07", last))
    chosen = select(store.entries("witness"), SelectConfig(copied=copied))
    learnt = {
        entry.id: [call.n_messages not in chosen.copied.get(entry.id, ()) for call in entry.requests]
        for entry in chosen.kept
    }

    print_entries(Export((), role="witness", form=Format.OPENAI, facts=True, copied=copied), town)

    lines = map(json.loads, capsys.readouterr().out.splitlines())
    taught = {
        line["node0"]["id"]: [
            turn.get("weight", 1) == 1 for turn in line["messages"] if turn["role"] == "assistant"
        ]
        for line in lines
    }
    assert taught == learnt
    assert sum(map(sum, taught.values())) == (4 if copied == "once" else 6)


def _session(name: str, *hours: str) -> CorpusEntry:
    """An entry with an answer an hour, named by it."""
    messages = [
        {"role": role, "content": f"{role} {hour}"} for hour in hours for role in ("user", "assistant")
    ]
    calls = [
        {
            "n_messages": 2 * place + 1,
            "system": "s",
            "tools": "t",
            "answer": hour,
            "at": f"2026-01-05T{hour}:00:00Z",
        }
        for place, hour in enumerate(hours)
    ]
    return CorpusEntry.model_validate(
        {
            "id": name, "session_id": name, "source": "claude-code", "role": "witness", "rig": "hq",
            "task_type": "patrol", "outcome": "success", "created_at": "2026-01-05T06:00:00Z",
            "messages": messages, "requests": calls, "systems": {"s": "Watch."}, "toolsets": {"t": []},
        }
    )  # fmt: skip
