# SPDX-License-Identifier: Apache-2.0
"""Report what was tried, keep it with its version, and say what the gate would say."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from node0 import console
from node0.commands.eval.kept_reports import write_report
from node0.commands.eval.town_gate import refusals
from node0.commands.eval.tried_suite import TriedSuite
from node0.commands.model.open_registry import open_registry
from node0.finetune.deploy.gate import GateSettings
from node0.finetune.eval.report.eval_report import Bars, Report, build_report, compared_rows
from node0.finetune.eval.scorer import evaluation_of, keep_evaluation
from node0.finetune.registry.evaluations import Evaluation
from node0.finetune.statistics.regression import Compared, Outcomes


class SuiteJudge:
    """Takes suites as they were tried; `tell` ends with the last of them."""

    def __init__(
        self, gate: GateSettings, role: str, *, spelled: str | None, store: bool, town: Path | None
    ) -> None:
        """Judge for a role.

        spelled: the registered version that was tried; with `store` what it did is kept with it.
        """
        self._gate, self._role, self._town = gate, role, town
        self._spelled, self._store = spelled, store
        self._told: tuple[TriedSuite, Report, Path] | None = None
        self._judged: list[Evaluation] = []

    def report(self, tried: TriedSuite, other: Report | None, *, rows: Sequence[Mapping[str, Any]]) -> None:
        """Write the report of a suite, beside an earlier one of it, and keep it where it is whole.

        rows: figures on the town's own sessions, where they were replayed.
        """
        tasks = tried.chosen.tasks
        categories = len({task.category for task in tasks})
        bars = Bars(*self._gate.bars(self._role, tried.chosen.suite, categories=categories))
        report = build_report(tried.plan, tasks, tried.results, nulls=tried.nulls, bars=bars, replayed=rows)
        self._told = tried, report, write_report(tried.directory, report, other, gate=self._gate)
        if not tried.chosen.is_whole:
            return
        self._judged.append(evaluation_of(report, tried.nulls))
        if self._spelled is not None and self._store:
            self._keep(self._spelled, report, tried.nulls)

    def tell(self, *, as_json: bool) -> None:
        """Print the figures of the last suite, and what the gate would say of all that is whole."""
        assert self._told is not None
        tried, report, page = self._told
        _tell_figures(report, as_json=as_json)
        console.note(f"report: {page}")
        if not tried.chosen.is_whole and self._spelled is not None and self._store:
            console.note(f"not kept with {self._spelled}: a part of a suite is no measure for the gate")
        if self._judged:
            self._tell_verdict()

    def _keep(self, spelled: str, report: Report, nulls: Mapping[str, Outcomes]) -> None:
        with open_registry(self._town) as (registry, _):
            compared = keep_evaluation(registry, spelled, report, nulls, gate=self._gate)
        console.note(f"kept with {spelled}")
        _tell_fallen(spelled, compared)

    def _tell_verdict(self) -> None:
        found = refusals(self._judged, self._gate, spelled=self._spelled, role=self._role, root=self._town)
        for line in found:
            console.note(f"the gate would refuse: {line}")
        if not found:
            console.note("the gate would let it pass")


def _tell_figures(report: Report, *, as_json: bool) -> None:
    for row in report["replay"][:1]:
        console.note(
            f"replay: {row['turns']} recorded calls, {row['exact']} exact, {row['equivalent']} equivalent, "
            f"{row['same_effect']} of the same effect, "
            f"{row['wrong']} wrong; of {row['shown']} that depend on what a tool showed "
            f"{row['shown_agree']} agree"
        )
    rows = [{"category": name} | score for name, score in report["categories"].items()]
    console.emit([*rows, {"category": "composite"} | _widened(report["composite"], rows)], as_json=as_json)


def _widened(score: dict[str, object], rows: Sequence[dict[str, object]]) -> dict[str, object]:
    """The composite's figures under the columns that categories have."""
    columns = [name for name in rows[0] if name != "category"] if rows else list(score)
    return {name: score.get(name) for name in columns}


def _tell_fallen(spelled: str, compared: Sequence[Compared]) -> None:
    for row in compared_rows(compared):
        if row["verdict"] == "fail":
            console.note(
                f"warning: {row['category']} fell from {row['old']:.1%} to {row['new']:.1%} against the "
                f"version before; {spelled} is held: look at it with node0 eval compare"
            )
