# SPDX-License-Identifier: Apache-2.0
"""What a night did, kept in a file each: `<town>/.models/nightly/<UTC time>.json`."""

from datetime import datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from node0.check_result import CheckResult, bad, note, ok
from node0.files import private_directory, write_atomically
from node0.finetune.gastown.upkeep.savings import RoleSavings
from node0.town import Town

KEPT = 60
"Reports; older ones go."

_NAME = "%Y%m%d-%H%M%S"


class NightStep(BaseModel):
    """A step for a role, and what came of it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    role: str
    step: str
    why: str
    result: str = ""
    "The last line that the step said; empty for a role that waits."

    code: int = 0
    "Exit code; 3 is the gate's no, which is no failure."

    seconds: float = 0.0

    @property
    def has_failed(self) -> bool:
        """Whether a person should look."""
        return self.code not in (0, 3)


class NightReport(BaseModel):
    """One night."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    at: str
    "When it began: ISO 8601, UTC."

    steps: list[NightStep] = Field(default_factory=list)
    savings: list[RoleSavings] = Field(default_factory=list)
    "What versions of ours had done by then in the place of other agents."


def keep_report(town: Town, report: NightReport) -> Path:
    """Write a night's report; where it lies."""
    private_directory(town.nightly_reports)
    at = datetime.fromisoformat(report.at)
    path = town.nightly_reports / f"{at:{_NAME}}.json"
    write_atomically(path, report.model_dump_json(indent=2) + "\n")
    for old in _files(town)[:-KEPT]:
        old.unlink(missing_ok=True)
    return path


def night_check(town: Town) -> CheckResult:
    """How the last night went; where none was kept, how to see what one would do."""
    files = _files(town)
    if not files:
        return note(
            "nightly", "no night was kept yet", "node0 town nightly --dry-run shows what one would do"
        )
    try:
        report = NightReport.model_validate_json(files[-1].read_bytes())
    except (ValidationError, OSError):
        return bad("nightly", f"{files[-1]} cannot be read", "remove it, and run node0 town nightly")
    done = [one for one in report.steps if one.step != "wait"]
    shown = f"{report.at[:16]}: {', '.join(f'{one.step} {one.role}' for one in done) or 'nothing was due'}"
    if failed := [one for one in done if one.has_failed]:
        return bad("nightly", f"{shown}; {failed[0].step} failed: {failed[0].result}", f"see {files[-1]}")
    return ok("nightly", shown)


def _files(town: Town) -> list[Path]:
    return sorted(town.nightly_reports.glob("*.json"))
