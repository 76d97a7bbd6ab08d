# SPDX-License-Identifier: Apache-2.0
"""Reports on disk: written beside their trials, found again by directory or by version."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from node0.commands.measure.keep_measured import registered_as
from node0.commands.model.open_registry import open_registry
from node0.documents.json_document import value_of
from node0.errors import BadCheckpoint, ConfigError, NotFound
from node0.files import make_directory, write_atomically
from node0.finetune.deploy.gate import GateSettings
from node0.finetune.eval.report.eval_report import FORMAT, Report
from node0.finetune.eval.report.html_page import report_page
from node0.finetune.eval.running.endpoint_answerer import AT_URL
from node0.finetune.eval.running.run_files import PAGE, PLAN, REPORT, TRIALS
from node0.town import Town


def write_report(
    directory: Path, report: Report, other: Report | None, *, gate: GateSettings | None = None
) -> Path:
    """Write report.json and report.html, where the gate compares the two; the page."""
    make_directory(directory)
    text = json.dumps(report, ensure_ascii=False, indent=1) + "\n"
    write_atomically(directory / REPORT, text)
    page = directory / PAGE
    write_atomically(page, report_page(report, other, gate=gate))
    return page


def read_report(name: str, town: Path | None, *, suite_digest: str | None = None) -> Report:
    """The report of a directory, or the newest one of a version in the town's evaluations.

    suite_digest: of the only items that are wanted; None takes a report of any suite.

    Raises:
        NotFound: there is none.
        ConfigError: the directory's is of other items.
        BadCheckpoint: it is not of this program.
    """
    directory = Path(name) if is_place(name, town) else _of_version(name, town, suite_digest)
    file = directory / REPORT if directory.is_dir() else directory
    if not file.is_file():
        raise NotFound(f"{directory} has no {REPORT}; finish it with node0 eval run --output {directory}")
    report = _parse(file)
    did = report["plan"]["suite_digest"]
    if suite_digest not in (None, did):
        raise ConfigError(
            f"{name} did items {did[:12]} of suite {report['plan']['suite']}, not the same ones "
            f"({suite_digest[:12]}); evaluate both on one suite"
        )
    return report


def is_place(name: str, town: Path | None) -> bool:
    """Whether a name is that of a file or directory; a version's name is not, whatever lies beside it.

    A town has directories called like roles.
    """
    return Path(name).exists() and (os.sep in name or registered_as(name, town) is None)


def list_reports(town: Path | None) -> list[dict[str, Any]]:
    """What was evaluated in the town: a record a directory, also of those that are unfinished."""
    rows = []
    for directory, plan in _plans(town):
        report, trials = directory / REPORT, directory / TRIALS
        composite = _parse(report)["composite"] if report.is_file() else {}
        rows.append(
            {
                "model": plan["model"],
                "suite": plan["suite"],
                "trials": len(trials.read_bytes().splitlines()) if trials.is_file() else 0,
                "score": composite.get("score"),
                "low": composite.get("low"),
                "high": composite.get("high"),
                "directory": str(directory),
            }
        )
    return rows


def _plans(town: Path | None) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Every directory of the town's evaluations, with its plan."""
    for file in sorted((Town.locate(town).models / "evals").glob(f"*/{PLAN}")):
        yield file.parent, json.loads(file.read_text("utf-8"))


def _of_version(name: str, town: Path | None, suite_digest: str | None) -> Path:
    with open_registry(town) as (registry, _):
        spelled = registry.require(name).spelled
    finished = [
        directory / REPORT
        for directory, plan in _plans(town)
        # What was asked at a URL only had the name of a version.
        if plan["model"] == spelled and not plan["model_digest"].startswith(AT_URL)
        if suite_digest in (None, plan["suite_digest"])
        if (directory / REPORT).is_file()
    ]
    if not finished:
        which = "" if suite_digest is None else f" of the same items ({suite_digest[:12]})"
        raise NotFound(f"{spelled} has no report{which} here; make one with node0 eval run {spelled}")
    return max(finished, key=lambda report: report.stat().st_mtime).parent


def _parse(file: Path) -> Report:
    try:
        found: Report = value_of(file.read_text("utf-8"))
    except (OSError, ValueError):
        raise BadCheckpoint(f"{file} is no report; make it again with node0 eval run") from None
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise BadCheckpoint(f"{file} is no report of this program; make it again with node0 eval run")
    return found
