# SPDX-License-Identifier: Apache-2.0
"""Replay the sessions that a run held out, as a suite of its own."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from node0 import console
from node0.commands.eval.eval_tasks import ChosenTasks
from node0.commands.eval.model_answerer import ModelAnswerer
from node0.commands.eval.tried_suite import TriedSuite, try_suite
from node0.commands.model.open_registry import open_registry
from node0.errors import NotFound, SandboxUnavailable
from node0.finetune.corpus.schema import CorpusEntry
from node0.finetune.eval.effect.same_effect import EffectJudge, find_judge
from node0.finetune.eval.held_out import held_out_of, require_unseen
from node0.finetune.eval.replay import commonest_answer, replay_tasks
from node0.finetune.eval.replay_figures import replay_rows
from node0.finetune.eval.running.eval_runner import Trying
from node0.finetune.registry.evaluations import REPLAY
from node0.finetune.run_dir import RunDirectory


class Replayed(NamedTuple):
    """Sessions that were replayed."""

    tried: TriedSuite
    rows: list[dict[str, Any]]
    "Figures by role and task type."


def held_out_sessions(run: Path, *, spelled: str | None, town: Path | None) -> Sequence[CorpusEntry]:
    """What a run held out.

    spelled: the registered version that will be asked.

    Raises:
        NotFound: there is no such run, or it held nothing out.
        ConfigError: that version was trained on some of it.
    """
    entries = held_out_of(RunDirectory(run))
    if spelled is not None:
        with open_registry(town) as (registry, _):
            require_unseen(registry, spelled, entries)
    return entries


def replay_sessions(
    answerer: ModelAnswerer,
    entries: Sequence[CorpusEntry],
    trying: Trying,
    *,
    limit: int | None,
    output: Path | None,
    town: Path | None,
) -> Replayed:
    """Ask at every recorded call of these sessions, or at `limit` of them, greedily.

    Raises:
        NotFound: they hold no call.
    """
    model = answerer.replaying()
    tasks = replay_tasks(entries, reduce=model.reduce, limit=limit, judge=_judge())
    if not tasks:
        raise NotFound("the sessions that were held out hold no call; train with a larger val_split")
    chosen = ChosenTasks(REPLAY, tasks, nulls=[commonest_answer(tasks)])
    once = replace(trying, epochs=1, seed=0, temperature=0.0)
    tried = try_suite(chosen, once, model, output=output, town=town)
    return Replayed(tried, replay_rows(tasks, tried.results))


def _judge() -> EffectJudge | None:
    """What tries commands in a sandbox; where there is none that is told."""
    try:
        return find_judge()
    except SandboxUnavailable as error:
        console.note(f"recorded and answered calls are compared as texts alone: {error}")
        return None
