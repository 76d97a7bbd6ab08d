# SPDX-License-Identifier: Apache-2.0
import json
from pathlib import Path

import pytest

from node0 import run_corpus
from node0.commands.corpus.review.decide_entries import accept, drop, list_waiting, redact
from node0.finetune.corpus.store import CorpusStore

Printed = pytest.CaptureFixture[str]


@pytest.fixture
def waiting(town_root: Path, capsys: Printed) -> Path:
    """A town in which `one` and `two` wait, with two different values."""
    lines = [
        {"id": name, "role": "mayor", "messages": [{"role": "user", "content": f'password: "{value}"'}]}
        for name, value in (("one", "dolphinswim"), ("two", "otterclimb"))
    ]
    (town_root / "in.jsonl").write_text("\n".join(map(json.dumps, lines)))
    assert run_corpus.main(["add", str(town_root / "in.jsonl"), "--town", str(town_root)]) == 0
    capsys.readouterr()
    return town_root


def test_accepted_values_stay_and_redacted_ones_go(waiting: Path, capsys: Printed) -> None:
    list_waiting(waiting, role=None, reveal=False, as_json=True)
    assert [row["entry_id"] for row in json.loads(capsys.readouterr().out)] == ["one", "two"]

    accept(["one"], waiting, as_json=True)
    redact(["two"], waiting, as_json=True)

    capsys.readouterr()
    list_waiting(waiting, role=None, reveal=False, as_json=False)
    assert capsys.readouterr().err == "nothing waits in quarantine\n"
    one, two = CorpusStore(waiting / ".corpus").list()
    assert "dolphinswim" in str(one.messages)
    assert "otterclimb" not in str(two.messages)


def test_a_dropped_entry_is_gone_and_retracted(waiting: Path, capsys: Printed) -> None:
    drop(["two"], waiting, as_json=True)

    assert json.loads(capsys.readouterr().out) == [{"id": "two", "did": "dropped"}]
    store = CorpusStore(waiting / ".corpus")
    assert [entry.id for entry in store.list()] == ["one"]
    assert "two" in store.retracted().entries


def test_a_value_is_shown_only_where_it_is_asked_for(waiting: Path, capsys: Printed) -> None:
    list_waiting(waiting, role=None, reveal=False, as_json=True)
    hidden = capsys.readouterr().out
    list_waiting(waiting, role=None, reveal=True, as_json=True)
    shown = json.loads(capsys.readouterr().out)

    assert "dolphin" not in hidden
    assert "swim" not in hidden
    assert [row["value"] for row in json.loads(hidden)] == ["*" * 11, "*" * 10]
    assert [row["value"] for row in shown] == ["dolphinswim", "otterclimb"]
    assert {row["before"] for row in shown} == {row["before"] for row in json.loads(hidden)}
