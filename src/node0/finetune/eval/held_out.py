# SPDX-License-Identifier: Apache-2.0
"""Measure loss and exact tool calls of a model on the sessions that a run held out."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from node0.errors import ConfigError, NotFound
from node0.finetune.chat.messages import Block, Message, Request
from node0.finetune.corpus.schema import CorpusEntry
from node0.finetune.corpus.store import CorpusStore
from node0.finetune.eval.tool_calls import CallScore, MeasuredTurn, measured_turns, score
from node0.finetune.registry.seen_entries import trained_on
from node0.finetune.registry.store import ModelRegistry
from node0.finetune.run_dir import RunDirectory


class MeasurableModel(Protocol):
    """What measuring asks of a model, wherever it runs."""

    @property
    def name(self) -> str:
        """What it is called in a table."""

    def answer_loss(self, entries: Sequence[CorpusEntry]) -> tuple[float, int, int]:
        """Mean cross-entropy over the tokens of answers, how many these are, and in how many entries."""

    def reduce(self, message: Message) -> Message | None:
        """A recorded message as the model would meet it; None where it would not."""

    def answer(self, request: Request, *, max_tokens: int) -> list[Block]:
        """Its greedy answer; nothing where the request does not fit."""


@dataclass(frozen=True)
class Measured:
    """A model on held-out sessions."""

    model: str
    entries: int
    loss: float
    "Mean cross-entropy over the tokens of answers."

    tokens: int
    "How many those are."

    calls: CallScore

    def row(self) -> dict[str, Any]:
        """The figures as one record."""
        return {
            "model": self.model,
            "entries": self.entries,
            "loss": round(self.loss, 4),
            "answer_tokens": self.tokens,
            "turns": self.calls.turns,
            "exact_calls": self.calls.exact,
            "exact_share": round(self.calls.share, 4),
            "commonest_call": self.calls.commonest_call,
            "commonest_share": round(self.calls.commonest_share, 4),
        }


def measure_model(
    model: MeasurableModel,
    entries: Sequence[CorpusEntry],
    *,
    limit: int | None = None,
    max_tokens: int = 96,
) -> Measured:
    """Loss over every answer of these entries, and exact calls on the turns that can be measured.

    Args:
        model: what is measured.
        entries: sessions that it has not seen.
        limit: generate answers for at most this many turns, evenly spread.
        max_tokens: longest answer.
    """
    loss, tokens, used = model.answer_loss(entries)
    turns = spread([turn for entry in entries for turn in measured_turns(entry, reduce=model.reduce)], limit)
    answers = [model.answer(turn.request, max_tokens=max_tokens) for turn in turns]
    return Measured(model.name, used, loss, tokens, score(turns, answers))


def held_out_of(run: RunDirectory, corpus: Path | None = None) -> list[CorpusEntry]:
    """The entries that a run held out, from its own corpus where no other one is given.

    Raises:
        NotFound: there is no such run, it held nothing out, or an entry is not in the corpus.
    """
    settings = run.require_settings()
    place = Path(corpus or settings.get("corpus_path", ""))
    return held_out_entries(run, place, role=str(settings.get("role")))


def held_out_entries(run: RunDirectory, corpus: Path, *, role: str) -> list[CorpusEntry]:
    """The entries that a run held out, without those that were retracted since.

    corpus: a corpus, or the directory of the role in it.

    Raises:
        NotFound: the run held nothing out, or an entry is not in the corpus.
    """
    ids = run.held_out()
    if not ids:
        raise NotFound(f"run {run.root} held nothing out; train with val_split above 0")
    if not corpus.is_dir():
        raise NotFound(f"no corpus directory {corpus}; give --corpus-path DIR")
    is_of_role = corpus.name == role and not (corpus / role).is_dir()
    store = CorpusStore(corpus.parent if is_of_role else corpus)
    retracted = store.retracted()
    wanted = ids - retracted.entries.keys()
    found = [entry for entry in store.list() if entry.id in wanted]
    if len(found) < len(wanted):
        raise NotFound(
            f"{len(wanted) - len(found)} of {len(wanted)} held-out entries of {run.root} "
            f"are not in {corpus}; give the corpus it was trained on with --corpus-path"
        )
    return [entry for entry in found if not retracted.holds(entry)]


def require_unseen(registry: ModelRegistry, name: str, entries: Sequence[CorpusEntry]) -> None:
    """Nothing where a registered version learned from none of these entries.

    Raises:
        NotFound: there is no such version.
        ConfigError: it, or a version that it was trained from, learned from some.
    """
    entry = registry.require(name)
    seen = trained_on(entry, registry.list(), {one.id for one in entries})
    if seen:
        raise ConfigError(
            f"{entry.spelled} was trained on {len(seen)} of these {len(entries)} held-out entries, such as "
            f"{min(seen)}; measure it on a run that held out what it has not seen"
        )


def spread(turns: list[MeasuredTurn], limit: int | None) -> list[MeasuredTurn]:
    """All turns, or `limit` of them, evenly spread."""
    if limit is None or len(turns) <= limit:
        return turns
    return [turns[number * len(turns) // limit] for number in range(limit)]
