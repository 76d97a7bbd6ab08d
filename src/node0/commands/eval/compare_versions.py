# SPDX-License-Identifier: Apache-2.0
"""Show reports again, two side by side, and what is there."""

from pathlib import Path

from node0 import console
from node0.commands.eval.kept_reports import list_reports, read_report, write_report
from node0.errors import ConfigError
from node0.files import write_atomically
from node0.finetune.eval.report.eval_report import compared_rows, outcomes_of_report
from node0.finetune.eval.report.html_page import report_page
from node0.finetune.statistics.regression import compare

REFUSED = 3


def compare_versions(old: str, new: str, town: Path | None, *, page: Path | None, as_json: bool) -> int:
    """Print how the new one differs from the old one in each category; 3 where one fell.

    Raises:
        ConfigError: they did different suites.
    """
    before, after = read_report(old, town), read_report(new, town)
    if before["plan"]["suite_digest"] != after["plan"]["suite_digest"]:
        raise ConfigError(
            f"{old} did suite {before['plan']['suite']} ({before['plan']['suite_digest'][:12]}) and {new} "
            f"{after['plan']['suite']} ({after['plan']['suite_digest'][:12]}); evaluate both on one suite"
        )
    rows = compared_rows(compare(outcomes_of_report(before), outcomes_of_report(after)))
    console.emit(rows, as_json=as_json)
    if page is not None:
        write_atomically(page, report_page(after, before))
        console.note(f"page: {page}")
    return REFUSED if any(row["verdict"] == "fail" for row in rows) else 0


def show_report(name: str, town: Path | None, *, against: str | None, as_json: bool) -> None:
    """Print a report's categories, and write its page again."""
    report = read_report(name, town)
    other = read_report(against, town) if against else None
    rows = [{"category": key} | score for key, score in report["categories"].items()]
    console.emit(rows, as_json=as_json)
    if Path(name).is_dir():
        console.note(f"report: {write_report(Path(name), report, other)}")


def show_evaluations(town: Path | None, *, as_json: bool) -> None:
    """Print every evaluation of the town."""
    console.emit(list_reports(town), as_json=as_json)
