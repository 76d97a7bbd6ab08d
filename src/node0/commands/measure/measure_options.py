# SPDX-License-Identifier: Apache-2.0
"""`node0 measure`: loss and exact tool calls of a model on sessions that a run has not seen."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from node0 import console
from node0.console import JsonOption, TownOption
from node0.errors import BadCorpus, NotFound

if TYPE_CHECKING:
    from node0.finetune.chat.messages import Block
    from node0.finetune.corpus.schema import CorpusEntry
    from node0.finetune.eval.tool_calls import CallScore, MeasuredTurn
    from node0.finetune.inference.loading import LoadedModel

app = typer.Typer(add_completion=False, rich_markup_mode=None)

ROW_TOKENS = 4096
"Tokens that are scored together."


@dataclass(frozen=True)
class Measured:
    """A model on held-out sessions."""

    model: str
    entries: int
    loss: float
    "Mean cross-entropy over the tokens of answers."

    tokens: int
    "How many those are."

    calls: "CallScore"

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


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; its exit code."""
    return console.run(app, argv, name="node0 measure")


@app.command()
def measure(  # noqa: PLR0913  # one parameter a flag
    models: Annotated[
        list[str],
        typer.Argument(metavar="MODEL...", help="Registered names, or directories of runs or bases."),
    ],
    *,
    run: Annotated[Path, typer.Option(help="Run directory whose held-out entries are measured on.")],
    corpus_path: Annotated[
        Path | None, typer.Option(help="Corpus; default: the one that the run was trained on.")
    ] = None,
    role: Annotated[str | None, typer.Option(help="Role to answer as; default: the run's.")] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Generate answers for at most this many turns, evenly spread.")
    ] = None,
    max_tokens: Annotated[int, typer.Option(min=1, help="Longest answer, in tokens.")] = 96,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    town: TownOption = None,
    as_json: JsonOption = False,
) -> None:
    """Measure models on the sessions that a run held out.

    Loss is over every answer. Exact calls are counted, greedily, on turns whose call holds a word that
    only a tool result showed; beside them stands what always giving the commonest call would get.
    """
    from node0.finetune.inference.loading import load_model
    from node0.finetune.run_dir import RunDirectory

    settings = RunDirectory(run).require_settings()
    role = role or str(settings.get("role"))
    profile = settings.get("profile")
    entries = _held_out(run, Path(corpus_path or settings.get("corpus_path", "")), str(settings.get("role")))
    rows = []
    for name in models:
        loaded = load_model(
            name,
            town=town,
            role=role,
            profile=Path(profile) if profile else None,
            device=device,
            dtype="float32",
        )
        try:
            rows.append(measure_model(loaded, entries, limit=limit, max_tokens=max_tokens).row())
        finally:
            loaded.pipeline.close()
    console.emit(rows, as_json=as_json)


def measure_model(
    loaded: "LoadedModel", entries: "Sequence[CorpusEntry]", *, limit: int | None = None, max_tokens: int = 96
) -> Measured:
    """Loss and exact calls of a loaded model on these entries.

    Raises:
        NotFound: the model has no tokenizer.
        BadCorpus: the entries hold no answer.
    """
    from node0.finetune.eval.tool_calls import score

    loss, tokens, used = _loss(loaded, entries)
    turns = _turns(loaded, entries, limit)
    answers = [_answer(loaded, turn, max_tokens) for turn in turns]
    return Measured(loaded.name, used, loss, tokens, score(turns, answers))


def _loss(loaded: "LoadedModel", entries: "Sequence[CorpusEntry]") -> tuple[float, int, int]:
    """Mean loss over supervised tokens, how many there are, and in how many entries."""
    from node0.finetune.config import SelectConfig
    from node0.finetune.data.dataset import CorpusDataset, DatasetOptions
    from node0.finetune.data.microbatches import MicrobatchSource
    from node0.pipeline.protocol import IGNORE

    if loaded.tokenizer is None or loaded.renderer is None:
        raise NotFound(f"model {loaded.name} has no tokenizer; put its tokenizer.json beside the weights")
    profile = loaded.renderer.profile
    outcomes = sorted({entry.outcome for entry in entries})
    options = DatasetOptions(select=SelectConfig(outcomes=outcomes), profile_for=lambda _: profile)
    dataset = CorpusDataset(entries, "all", loaded.tokenizer, loaded.context, options=options)
    if not len(dataset):
        raise BadCorpus("the held-out entries hold no answer; train with a larger val_split")
    total, count = 0.0, 0
    source = MicrobatchSource(dataset, tokens_per_microbatch=ROW_TOKENS, shuffle=False)
    for microbatch in source.epoch():
        total -= float(loaded.pipeline.score(microbatch).double().sum())
        count += int((microbatch.labels != IGNORE).sum())
    return total / max(1, count), count, len(dataset.entries)


def _turns(
    loaded: "LoadedModel", entries: "Sequence[CorpusEntry]", limit: int | None
) -> "list[MeasuredTurn]":
    """The measured turns, or `limit` of them, evenly spread."""
    from node0.finetune.chat.profile import rewrite
    from node0.finetune.eval.tool_calls import measured_turns

    profile = loaded.renderer.profile if loaded.renderer else None
    turns = [
        turn
        for entry in entries
        for turn in measured_turns(
            entry, reduce=lambda message: rewrite(message, profile) if profile else message
        )
    ]
    if limit is None or len(turns) <= limit:
        return turns
    return [turns[number * len(turns) // limit] for number in range(limit)]


def _answer(loaded: "LoadedModel", turn: "MeasuredTurn", max_tokens: int) -> "list[Block]":
    """The model's greedy answer as blocks."""
    from node0.finetune.chat.parse import parse_answer

    assert loaded.renderer is not None  # _loss has refused a model without a tokenizer
    prompt = loaded.renderer.prompt_ids(turn.request)
    if len(prompt) >= loaded.context:
        return []
    ids = list(loaded.generator().generate(prompt, max_tokens, temperature=0.0, top_p=1.0))
    return parse_answer(loaded.decode(ids))


def _held_out(run: Path, corpus_path: Path, role: str) -> "list[CorpusEntry]":
    from node0.finetune.corpus.store import CorpusStore
    from node0.finetune.run_dir import RunDirectory

    ids = RunDirectory(run).held_out()
    if not ids:
        raise NotFound(f"run {run} held nothing out; train with val_split above 0")
    if not corpus_path.is_dir():
        raise NotFound(f"no corpus directory {corpus_path}; give --corpus-path DIR")
    is_of_role = corpus_path.name == role and not (corpus_path / role).is_dir()
    root = corpus_path.parent if is_of_role else corpus_path
    store = CorpusStore(root)
    ids -= store.retracted().entries.keys()
    found = [entry for entry in store.list() if entry.id in ids]
    if len(found) < len(ids):
        raise NotFound(
            f"{len(ids) - len(found)} of {len(ids)} held-out entries of {run} are not in {corpus_path}; "
            "give the corpus it was trained on with --corpus-path"
        )
    return found
