# SPDX-License-Identifier: Apache-2.0
"""Evaluate a model on a suite: try, report, keep with its version, judge as the gate would."""

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from node0 import console
from node0.commands.eval.eval_tasks import ChosenTasks, choose_tasks
from node0.commands.eval.kept_reports import read_report, write_report
from node0.commands.eval.model_answerer import ModelAnswerer, loaded_answerer
from node0.commands.eval.town_gate import refusals, town_gate
from node0.commands.measure.keep_measured import registered_as
from node0.commands.model.open_registry import open_registry
from node0.errors import ConfigError
from node0.finetune.corpus.schema import CorpusEntry
from node0.finetune.deploy.gate import GateSettings
from node0.finetune.eval.held_out import held_out_of
from node0.finetune.eval.replay import replay, replay_rows
from node0.finetune.eval.report.eval_report import Bars, Report, build_report, compared_rows
from node0.finetune.eval.running.answerer import Answerer
from node0.finetune.eval.running.endpoint_answerer import EndpointAnswerer
from node0.finetune.eval.running.eval_runner import EvalRunner, Trying
from node0.finetune.eval.running.null_outcomes import null_outcomes
from node0.finetune.eval.running.run_files import EvalDirectory, EvalPlan
from node0.finetune.eval.running.task import suite_digest
from node0.finetune.eval.scorer import evaluation_of, keep_evaluation
from node0.finetune.run_dir import RunDirectory
from node0.finetune.statistics.regression import Compared, Outcomes
from node0.town import Town


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
    store: bool = True
    device: str = "auto"
    dtype: str = "auto"
    town: Path | None = None


def run_suite(request: EvalRequest, *, as_json: bool) -> None:
    """Try every task, write report.json and report.html, and print a line for each category.

    Raises:
        ConfigError, NotFound: the suite, the model or the flags are wrong.
    """
    chosen = choose_tasks(request.suite, categories=request.categories, role=request.role)
    spelled = registered_as(request.model, request.town) if request.url is None else None
    other = _other(request, chosen)
    held_out = _held_out(request)
    with _answerer(request) as answerer:
        plan = request.trying.plan(chosen.suite, chosen.tasks, answerer)
        directory = EvalDirectory(request.output or _place(request.town) / _directory_name(plan))
        with console.progress() as shown:
            bar = shown.add_task("trials", total=len(chosen.tasks) * plan.epochs, detail="")
            runner = EvalRunner(chosen.tasks, request.trying, lambda result: shown.advance(bar))
            results = runner.run(answerer, suite=chosen.suite, directory=directory)
            bar = shown.add_task("null models", total=None, detail="")
            nulls = null_outcomes(
                chosen.tasks,
                concurrency=request.trying.concurrency,
                kept_in=directory.root if request.output else directory.root.parent,
                on_result=lambda result: shown.advance(bar),
            )
        replayed = _replayed(request, answerer, held_out)
    gate = town_gate(request.town)
    role = _role_of(spelled, request.town) or request.role or ""
    bars = Bars(gate.of(role), gate.of_category(role))
    report = build_report(plan, chosen.tasks, results, nulls=nulls, bars=bars, replayed=replayed)
    page = write_report(directory.root, report, other, gate=gate)
    _tell(report, as_json=as_json)
    console.note(f"report: {page}")
    if not chosen.is_whole:
        if spelled is not None and request.store:
            console.note(f"not kept with {spelled}: a part of a suite is no measure for the gate")
        return
    if spelled is not None and request.store:
        _keep(spelled, report, nulls, gate=gate, root=request.town)
    _judge(refusals(evaluation_of(report, nulls), gate, spelled=spelled, role=role, root=request.town))


def _other(request: EvalRequest, chosen: ChosenTasks) -> Report | None:
    """The report of the same tasks that this one stands beside."""
    if request.against is None:
        return None
    return read_report(request.against, request.town, suite_digest=suite_digest(chosen.tasks))


def _held_out(request: EvalRequest) -> Sequence[CorpusEntry]:
    """The sessions that are replayed, read before anything is tried."""
    if request.replay is None:
        return ()
    if request.url is not None:
        raise ConfigError("--replay needs the model itself; leave --url out")
    return held_out_of(RunDirectory(request.replay))


def _replayed(
    request: EvalRequest, answerer: Answerer, entries: Sequence[CorpusEntry]
) -> list[dict[str, Any]]:
    """Figures on the sessions that a run held out."""
    if not entries or not isinstance(answerer, ModelAnswerer):
        return []
    with console.progress() as shown:
        bar = shown.add_task("replay", total=request.replay_limit, detail="")
        turns = replay(
            answerer.replayed(),
            entries,
            max_tokens=request.trying.max_tokens,
            limit=request.replay_limit,
            on_turn=lambda: shown.advance(bar),
        )
    return replay_rows(turns)


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


def _place(root: Path | None) -> Path:
    return Town.locate(root).models / "evals"


def _directory_name(plan: EvalPlan) -> str:
    digest = hashlib.sha256(json.dumps(asdict(plan), sort_keys=True).encode()).hexdigest()
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", Path(plan.model).name if "/" in plan.model else plan.model)
    return f"{name.strip('-.')[:60]}-{plan.suite}-{digest[:10]}"


def _role_of(spelled: str | None, root: Path | None) -> str:
    if spelled is None:
        return ""
    with open_registry(root) as (registry, _):
        return registry.require(spelled).role


def _tell(report: Report, *, as_json: bool) -> None:
    for row in report["replay"][:1]:
        console.note(
            f"replay: {row['turns']} recorded calls, {row['exact']} exact, {row['equivalent']} equivalent, "
            f"{row['wrong']} wrong; of {row['shown']} that depend on what a tool showed "
            f"{row['shown_agree']} agree"
        )
    rows = [{"category": name} | score for name, score in report["categories"].items()]
    console.emit([*rows, {"category": "composite"} | _widened(report["composite"], rows)], as_json=as_json)


def _widened(score: dict[str, object], rows: Sequence[dict[str, object]]) -> dict[str, object]:
    """The composite's figures under the columns that categories have."""
    columns = [name for name in rows[0] if name != "category"] if rows else list(score)
    return {name: score.get(name) for name in columns}


def _judge(found: Sequence[str]) -> None:
    for line in found:
        console.note(f"the gate would refuse: {line}")
    if not found:
        console.note("the gate would let it pass")


def _keep(
    spelled: str, report: Report, nulls: dict[str, Outcomes], *, gate: GateSettings, root: Path | None
) -> None:
    with open_registry(root) as (registry, _):
        compared = keep_evaluation(registry, spelled, report, nulls, gate=gate)
    console.note(f"kept with {spelled}")
    _tell_fallen(spelled, compared)


def _tell_fallen(spelled: str, compared: Sequence[Compared]) -> None:
    for row in compared_rows(compared):
        if row["verdict"] == "fail":
            console.note(
                f"warning: {row['category']} fell from {row['old']:.1%} to {row['new']:.1%} against the "
                f"version before; {spelled} is held: look at it with node0 eval compare"
            )
