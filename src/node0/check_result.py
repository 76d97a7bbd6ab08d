# SPDX-License-Identifier: Apache-2.0
"""The result of one check of a machine, a run or a town."""

from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "note", "bad"]


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One line: what was looked at, how it is, what was seen, what to do."""

    check: str
    state: State
    "`note` is nothing wrong: it cannot be known here, or not yet."

    found: str
    do: str = ""
    "Empty where there is nothing to do."


def ok(check: str, found: str) -> CheckResult:
    """All is well."""
    return CheckResult(check, "ok", found)


def note(check: str, found: str, do: str = "") -> CheckResult:
    """Nothing wrong that could be seen."""
    return CheckResult(check, "note", found, do)


def bad(check: str, found: str, do: str) -> CheckResult:
    """Something a person must change."""
    return CheckResult(check, "bad", found, do)
