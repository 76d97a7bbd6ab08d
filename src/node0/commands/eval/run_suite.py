# SPDX-License-Identifier: Apache-2.0
"""Evaluate a model on a suite: try, report, keep with its version, judge as the gate would."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from node0.commands.eval.eval_tasks import ChosenTasks, choose_tasks
from node0.commands.eval.kept_reports import read_report
from node0.commands.eval.model_answerer import ModelAnswerer, loaded_answerer
from node0.commands.eval.replay_sessions import held_out_sessions, replay_sessions
from node0.commands.eval.suite_judge import SuiteJudge
from node0.commands.eval.town_gate import town_gate
from node0.commands.eval.tried_suite import TriedSuite, try_suite
from node0.commands.measure.keep_measured import registered_as
from node0.commands.model.open_registry import open_registry
from node0.errors import ConfigError
from node0.finetune.corpus.schema import CorpusEntry
from node0.finetune.eval.report.eval_report import Report
from node0.finetune.eval.running.answerer import Answerer
from node0.finetune.eval.running.endpoint_answerer import EndpointAnswerer
from node0.finetune.eval.running.eval_runner import Trying
from node0.finetune.eval.running.task import suite_digest
from node0.finetune.registry.evaluations import REPLAY


@dataclass(frozen=True, slots=True)
class EvalRequest:
    """What a person asked for."""

    model: str
    suite: Path | None
    trying: Trying
    categories: Sequence[str] = ()
    role: str | None = None
    url: str | None = None
    token_file: Path | None = None
    output: Path | None = None
    against: str | None = None
    replay: Path | None = None
    replay_limit: int | None = None
    replay_only: bool = False
    store: bool = True
    device: str = "auto"
    dtype: str = "auto"
    town: Path | None = None


def run_suite(request: EvalRequest, *, as_json: bool) -> None:
    """Try every task, write report.json and report.html, and print a line for each category.

    What is replayed has a report and an evaluation of its own.

    Raises:
        ConfigError, NotFound: the suite, the model or the flags are wrong.
    """
    gate, chosen = town_gate(request.town), None
    if not request.replay_only:
        chosen = choose_tasks(request.suite, categories=request.categories, role=request.role)
    spelled = registered_as(request.model, request.town) if request.url is None else None
    other = _other(request, suite_digest(chosen.tasks)) if chosen is not None else None
    entries = _held_out(request, spelled)
    tried, rows = _try(request, chosen, entries)
    if chosen is None:
        other = _other(request, tried[-1].plan.suite_digest)
    role = _role_of(spelled, request.town) or request.role or ""
    judge = SuiteJudge(gate, role, spelled=spelled, store=request.store, town=request.town)
    for one in tried:
        judge.report(one, other if one is tried[-1] else None, rows=rows)
    judge.tell(as_json=as_json)


def _other(request: EvalRequest, digest: str) -> Report | None:
    """The report of the same tasks that this one stands beside."""
    if request.against is None:
        return None
    return read_report(request.against, request.town, suite_digest=digest)


def _held_out(request: EvalRequest, spelled: str | None) -> Sequence[CorpusEntry]:
    """The sessions that are replayed, read before anything is tried."""
    if request.replay is None:
        return ()
    if request.url is not None:
        raise ConfigError("--replay needs the model itself; leave --url out")
    return held_out_sessions(request.replay, spelled=spelled, town=request.town)


def _try(
    request: EvalRequest, chosen: ChosenTasks | None, entries: Sequence[CorpusEntry]
) -> tuple[list[TriedSuite], list[dict[str, Any]]]:
    """What was tried, the replay before the suite, and the figures of the replay."""
    tried, rows, output, town = [], [], request.output, request.town
    with _answerer(request) as answerer:
        if entries and isinstance(answerer, ModelAnswerer):
            own = output / REPLAY if output is not None and chosen is not None else output
            replayed = replay_sessions(
                answerer, entries, request.trying, limit=request.replay_limit, output=own, town=town
            )
            tried, rows = [replayed.tried], replayed.rows
        if chosen is not None:
            tried.append(try_suite(chosen, request.trying, answerer, output=output, town=town))
    return tried, rows


@contextmanager
def _answerer(request: EvalRequest) -> Iterator[Answerer]:
    if request.url is not None:
        if not re.fullmatch(r"https?://[^\s/?#]+(/[^\s?#]*)?", request.url):
            raise ConfigError(f"--url {request.url!r} is no address such as http://127.0.0.1:8000")
        token = _read_token(request.token_file) if request.token_file else ""
        yield EndpointAnswerer(request.url, request.model, token)
        return
    with loaded_answerer(
        request.model, town=request.town, device=request.device, dtype=request.dtype
    ) as answerer:
        yield answerer


def _read_token(file: Path) -> str:
    """The key of a file; what else it holds is told nowhere."""
    try:
        token = file.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        raise ConfigError(f"cannot read the key from {file}: {reason}; check --token-file") from None
    if not re.fullmatch(r"[!-~]+", token):
        raise ConfigError(f"{file} holds no key of plain ASCII without spaces; write the key alone into it")
    return token


def _role_of(spelled: str | None, root: Path | None) -> str:
    if spelled is None:
        return ""
    with open_registry(root) as (registry, _):
        return registry.require(spelled).role
