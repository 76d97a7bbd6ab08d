# SPDX-License-Identifier: Apache-2.0
import json
from pathlib import Path

import pytest
from dpo_registry import TOOL, session

from node0.finetune.corpus.schema import CorpusEntry
from node0.finetune.data.calls import dialogue_pair
from node0.finetune.dpo.exporter import DPOExporter
from node0.finetune.dpo.router import DPORouter
from node0.finetune.registry.store import ModelRegistry


def _compared(
    registry: ModelRegistry, *, a: CorpusEntry | None, b: CorpusEntry | None, winner: str | None = "b"
) -> DPOExporter:
    router = DPORouter(registry)
    router.create_comparison("gt-abc12", "pc:1", "pc:2")
    for side, entry in (("a", a), ("b", b)):
        if entry is not None:
            router.attach("gt-abc12", side, entry)
    if winner is not None:
        router.record_winner("gt-abc12", winner)
    return DPOExporter(registry.store)


def test_a_pair_has_the_shared_turns_as_prompt(registry: ModelRegistry, tmp_path: Path) -> None:
    exporter = _compared(registry, a=session("one", "I kick it."), b=session("two", "I oil it."))
    output = tmp_path / "pairs.jsonl"

    assert exporter.export_pairs("polecat", output) == 1
    (entry,) = [CorpusEntry.model_validate_json(line) for line in output.read_text().splitlines()]
    assert [turn["content"] for turn in entry.messages] == ["Fix the gate.", "I look first.", "It is shut."]
    assert entry.chosen == [{"role": "assistant", "content": "I oil it."}]
    assert entry.rejected == [{"role": "assistant", "content": "I kick it."}]
    assert (entry.bead_id, entry.tools) == ("gt-abc12", [TOOL])
    assert entry.origin is not None
    assert (entry.origin.how, entry.origin.entries) == ("compared", ["two", "one"])
    assert entry.origin.decided_at


def test_the_dataset_learns_only_the_answers_after_the_prompt(registry: ModelRegistry) -> None:
    exporter = _compared(registry, a=session("one", "I kick it."), b=session("two", "I oil it."))
    (entry,) = exporter.pairs("polecat")
    pair = dialogue_pair(entry, None, one_answer=False)

    assert pair is not None
    assert [len(side.answers) for side in (pair.chosen, pair.rejected)] == [1, 1]


def test_recorded_calls_give_the_pair_its_system_text_and_tools(registry: ModelRegistry) -> None:
    sides = {side: session(side, side, recorded=True) for side in ("a", "b")}
    (entry,) = _compared(registry, a=sides["a"], b=sides["b"]).pairs("polecat")

    assert entry.messages[0] == {"role": "system", "content": "You are a polecat."}
    assert (entry.tools, entry.requests, entry.systems) == ([TOOL], [], {})


@pytest.mark.parametrize(
    ("b", "line"),
    [
        (None, "side b has no transcript"),
        (session("two", "I kick it."), "one side is where the other begins"),
    ],
)
def test_what_is_no_pair_is_told_and_left_out(
    registry: ModelRegistry, b: CorpusEntry | None, line: str, caplog: pytest.LogCaptureFixture
) -> None:
    exporter = _compared(registry, a=session("one", "I kick it."), b=b, winner="a")

    assert list(exporter.pairs("polecat")) == []
    assert line in caplog.text


def test_what_is_not_decided_or_of_another_role_is_no_pair(registry: ModelRegistry, tmp_path: Path) -> None:
    sides = {"a": session("one", "I kick it."), "b": session("two", "I oil it.")}
    exporter = _compared(registry, **sides, winner=None)

    assert exporter.export_pairs("polecat", tmp_path / "pairs.jsonl") == 0
    assert list(exporter.unpaired("polecat")) == []
    DPORouter(registry).record_winner("gt-abc12", "a")
    assert list(exporter.pairs("witness")) == []


def test_recorded_calls_give_a_single_session_its_system_text(registry: ModelRegistry) -> None:
    exporter = _compared(registry, a=session("one", "I kick it.", recorded=True), b=None)

    (row,) = exporter.unpaired("polecat")
    assert row["prompt"] == [
        {"role": "system", "content": "You are a polecat."},
        {"role": "user", "content": "Fix the gate."},
    ]
    assert len(row["completion"]) == 3


def test_single_sessions_carry_a_label(registry: ModelRegistry) -> None:
    exporter = _compared(registry, a=session("one", "I kick it."), b=None, winner="b")

    (row,) = exporter.unpaired("polecat")
    assert row["label"] is False
    assert json.dumps(row["prompt"]) == json.dumps([{"role": "user", "content": "Fix the gate."}])
    assert [turn["content"] for turn in row["completion"]] == ["I look first.", "It is shut.", "I kick it."]
