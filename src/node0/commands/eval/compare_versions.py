# SPDX-License-Identifier: Apache-2.0
"""Show reports again, two side by side, and what is there."""

from pathlib import Path

from node0 import console
from node0.commands.eval.kept_reports import is_place, list_reports, read_report, write_report
from node0.commands.eval.town_gate import town_gate
from node0.files import write_atomically
from node0.finetune.eval.report.eval_report import Report, compared_rows, outcomes_of_report
from node0.finetune.eval.report.html_page import report_page

REFUSED = 3


def compare_versions(old: str, new: str, town: Path | None, *, page: Path | None, as_json: bool) -> int:
    """Print how the new one differs from the old one in each category; 3 where one fell.

    Raises:
        ConfigError, NotFound: they did different suites, or one of them did none.
    """
    before, after = _pair(old, new, town)
    gate = town_gate(town)
    rows = compared_rows(gate.compare_outcomes(outcomes_of_report(before), outcomes_of_report(after)))
    console.emit(rows, as_json=as_json)
    if page is not None:
        write_atomically(page, report_page(after, before, gate=gate))
        console.note(f"page: {page}")
    return REFUSED if any(row["verdict"] == "fail" for row in rows) else 0


def show_report(name: str, town: Path | None, *, against: str | None, as_json: bool) -> None:
    """Print a report's categories, and write its page again."""
    report = read_report(name, town)
    other = read_report(against, town, suite_digest=report["plan"]["suite_digest"]) if against else None
    rows = [{"category": key} | score for key, score in report["categories"].items()]
    console.emit(rows, as_json=as_json)
    if is_place(name, town) and Path(name).is_dir():
        console.note(f"report: {write_report(Path(name), report, other, gate=town_gate(town))}")


def show_evaluations(town: Path | None, *, as_json: bool) -> None:
    """Print every evaluation of the town."""
    found = list_reports(town)
    console.emit(found, as_json=as_json)
    if not found:
        console.note("nothing was evaluated here; see: node0 eval run --help")


def _pair(old: str, new: str, town: Path | None) -> tuple[Report, Report]:
    """Both reports, of one suite: that of a directory, else the one that the new version did last."""
    if is_place(old, town):
        before = read_report(old, town)
        return before, read_report(new, town, suite_digest=before["plan"]["suite_digest"])
    after = read_report(new, town)
    return read_report(old, town, suite_digest=after["plan"]["suite_digest"]), after
