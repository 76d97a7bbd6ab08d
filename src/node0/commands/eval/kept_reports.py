# SPDX-License-Identifier: Apache-2.0
"""Reports on disk: written beside their trials, found again by directory or by version."""

import json
from pathlib import Path
from typing import Any

from node0.commands.model.open_registry import open_registry
from node0.errors import BadCheckpoint, NotFound
from node0.files import make_directory, write_atomically
from node0.finetune.eval.report.eval_report import FORMAT, Report
from node0.finetune.eval.report.html_page import report_page
from node0.finetune.eval.running.run_files import PAGE, PLAN, REPORT, TRIALS
from node0.town import Town


def write_report(directory: Path, report: Report, other: Report | None) -> Path:
    """Write report.json and report.html; the page."""
    make_directory(directory)
    text = json.dumps(report, ensure_ascii=False, indent=1) + "\n"
    write_atomically(directory / REPORT, text)
    page = directory / PAGE
    write_atomically(page, report_page(report, other))
    return page


def read_report(name: str, town: Path | None) -> Report:
    """The report of a directory, or the newest one of a version in the town's evaluations.

    Raises:
        NotFound: there is none.
        BadCheckpoint: it is not of this program.
    """
    directory = Path(name)
    if not directory.exists():
        directory = _of_version(name, town)
    file = directory / REPORT if directory.is_dir() else directory
    if not file.is_file():
        raise NotFound(f"{directory} has no {REPORT}; finish it with node0 eval run --output {directory}")
    return _parse(file)


def list_reports(town: Path | None) -> list[dict[str, Any]]:
    """What was evaluated in the town: a record a directory, also of those that are unfinished."""
    rows = []
    for plan_file in sorted((Town.locate(town).models / "evals").glob(f"*/{PLAN}")):
        plan = json.loads(plan_file.read_text("utf-8"))
        report = plan_file.parent / REPORT
        composite = _parse(report)["composite"] if report.is_file() else {}
        trials = plan_file.parent / TRIALS
        rows.append(
            {
                "model": plan["model"],
                "suite": plan["suite"],
                "trials": len(trials.read_bytes().splitlines()) if trials.is_file() else 0,
                "score": composite.get("score"),
                "low": composite.get("low"),
                "high": composite.get("high"),
                "directory": str(plan_file.parent),
            }
        )
    return rows


def _of_version(name: str, town: Path | None) -> Path:
    with open_registry(town) as (registry, _):
        spelled = registry.require(name).spelled
    found = [Path(row["directory"]) for row in list_reports(town) if row["model"] == spelled]
    finished = [directory for directory in found if (directory / REPORT).is_file()]
    if not finished:
        raise NotFound(f"{spelled} has no report here; make one with node0 eval run {spelled}")
    return max(finished, key=lambda directory: (directory / REPORT).stat().st_mtime)


def _parse(file: Path) -> Report:
    try:
        found: Report = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError):
        raise BadCheckpoint(f"{file} is no report; make it again with node0 eval run") from None
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise BadCheckpoint(f"{file} is no report of this program; make it again with node0 eval run")
    return found
