# SPDX-License-Identifier: Apache-2.0
"""Measuring a model, with a stand-in that knows its loss and its answers."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from node0.errors import ConfigError, NotFound
from node0.finetune.chat.messages import Block, Message, Request
from node0.finetune.corpus.schema import CorpusEntry
from node0.finetune.corpus.store import CorpusStore
from node0.finetune.eval.held_out import held_out_entries, measure_model, require_unseen
from node0.finetune.registry.schema import ModelRegistryEntry
from node0.finetune.registry.store import ModelRegistry
from node0.finetune.run_dir import EntryUse, RunDirectory
from node0.town import Town


@dataclass
class Parrot:
    """Answers every request with the same call."""

    command: str
    name: str = "parrot"
    asked: list[Request] = field(default_factory=list)

    def answer_loss(self, entries: Sequence[CorpusEntry]) -> tuple[float, int, int]:
        return 1.25, 40, len(entries)

    def reduce(self, message: Message) -> Message | None:
        return message

    def answer(self, request: Request, *, max_tokens: int) -> list[Block]:
        self.asked.append(request)
        return [_use(self.command)][:max_tokens]  # type: ignore[list-item]  # a block as JSON


def _use(command: str) -> dict[str, Any]:
    return {"type": "tool_use", "id": "t0", "name": "Bash", "input": {"command": command}}


def _entry(name: str, agent: str) -> CorpusEntry:
    shown = {"type": "tool_result", "tool_use_id": "t0", "content": f"stale harbor/{agent} 47m"}
    return CorpusEntry(
        id=name,
        role="deacon",
        rig="hq",
        task_type="patrol",
        outcome="success",
        created_at="2026-01-05T00:00:00Z",
        messages=[
            {"role": "user", "content": "Begin."},
            {"role": "assistant", "content": [_use("gt agents list")]},
            {"role": "user", "content": [shown]},
            {"role": "assistant", "content": [_use(f"gt nudge harbor/{agent}")]},
        ],
    )


@pytest.fixture
def registry(tmp_path: Path) -> ModelRegistry:
    """A version that held e0 out and learned from e1 and e2."""
    uses = [EntryUse("e0", "d", "1", "val"), *(EntryUse(name, "d", "1", "train") for name in ("e1", "e2"))]
    RunDirectory(tmp_path / "run").make()
    RunDirectory(tmp_path / "run").write_entries(uses, {"e1": 1, "e2": 1})
    registry = ModelRegistry(Town(tmp_path))
    registry.register(ModelRegistryEntry(name="deacon", role="deacon", artifact_path=str(tmp_path / "run")))
    return registry


ENTRIES = [_entry(f"e{number}", agent) for number, agent in enumerate(["nux", "slit", "nux", "toast"])]


def test_loss_and_exact_calls_are_put_beside_the_commonest_call() -> None:
    row = measure_model(Parrot("gt nudge harbor/slit"), ENTRIES).row()

    assert row == {
        "model": "parrot",
        "entries": 4,
        "loss": 1.25,
        "answer_tokens": 40,
        "turns": 4,
        "exact_calls": 1,
        "exact_share": 0.25,
        "commonest_call": '{"command": "gt nudge harbor/nux"}',
        "commonest_share": 0.5,
    }


def test_a_limit_takes_turns_that_are_evenly_spread() -> None:
    model = Parrot("x")

    measured = measure_model(model, ENTRIES, limit=2)

    results = [str(request["messages"][2]["content"]) for request in model.asked]
    assert measured.calls.turns == 2
    assert ["harbor/nux" in text for text in results] == [True, True]
    assert model.asked[1]["messages"] == ENTRIES[2].messages[:3]


def test_an_answer_is_no_longer_than_it_may_be() -> None:
    assert measure_model(Parrot("gt nudge harbor/nux"), ENTRIES, max_tokens=0).calls.exact == 0


def test_a_model_that_drops_an_answer_is_not_asked_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    model = Parrot("x")
    monkeypatch.setattr(model, "reduce", lambda message: None, raising=False)

    assert measure_model(model, ENTRIES).calls.turns == 0
    assert model.asked == []


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    store = CorpusStore(tmp_path / ".corpus")
    store.add_all(ENTRIES)
    return tmp_path / ".corpus"


def _run(root: Path, *names: str) -> RunDirectory:
    """A run that held these entries out and trained on `e0`."""
    run = RunDirectory(root / "run")
    run.make()
    uses = [EntryUse(name, "d", "1", "val") for name in names]
    run.write_entries([EntryUse("e0", "d", "1", "train"), *uses], {})
    return run


@pytest.mark.parametrize("place", ["", "deacon"])
def test_held_out_entries_are_found_in_a_corpus_and_in_a_roles_directory(
    corpus: Path, tmp_path: Path, place: str
) -> None:
    found = held_out_entries(_run(tmp_path, "e1", "e3"), corpus / place, role="deacon")

    assert [entry.id for entry in found] == ["e1", "e3"]


def test_a_retracted_entry_is_not_measured_on(corpus: Path, tmp_path: Path) -> None:
    CorpusStore(corpus).retracted().add([ENTRIES[1]])

    found = held_out_entries(_run(tmp_path, "e1", "e3"), corpus, role="deacon")

    assert [entry.id for entry in found] == ["e3"]


def test_what_cannot_be_measured_on_is_refused_with_what_to_do(corpus: Path, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="held nothing out; train with val_split above 0"):
        held_out_entries(_run(tmp_path), corpus, role="deacon")
    with pytest.raises(NotFound, match="no corpus directory nowhere; give --corpus-path DIR"):
        held_out_entries(_run(tmp_path, "e1"), Path("nowhere"), role="deacon")
    with pytest.raises(NotFound, match=r"1 of 2 held-out entries of .* are not in"):
        held_out_entries(_run(tmp_path, "e1", "gone"), corpus, role="deacon")


def test_what_a_version_was_trained_on_is_no_measure_of_it(tmp_path: Path, registry: ModelRegistry) -> None:
    require_unseen(registry, "deacon:1", ENTRIES[:1])

    with pytest.raises(
        ConfigError, match=r"deacon:1 was trained on 2 of these 4 held-out entries, such as e1"
    ):
        require_unseen(registry, "deacon:1", ENTRIES)
