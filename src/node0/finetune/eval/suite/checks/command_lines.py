# SPDX-License-Identifier: Apache-2.0
"""Checks of proposed commands: which were to be run, in which order, and whether they worked."""

from typing import Literal

from node0.bounded.patterns import finds
from node0.finetune.eval.schema import CheckOutcome
from node0.finetune.eval.suite.evidence import Evidence
from node0.finetune.eval.suite.judging import Check
from node0.finetune.eval.suite.shell import simple_commands


class Runs(Check):
    """Patterns that simple commands must, or must not, match from their beginning."""

    check: Literal["runs"]
    all: tuple[str, ...] = ()
    in_order: bool = False
    "Whether those of `all` must come in this order; others may stand between."

    last: str | None = None
    "What the last command must match."

    none: tuple[str, ...] = ()
    most: int | None = None
    "Simple commands of the longest proposal that passes."

    def judge(self, evidence: Evidence) -> CheckOutcome:
        """Match every simple command of every turn."""
        lines = [" ".join(each) for command in evidence.commands for each in simple_commands(command)]
        if not lines:
            return self.failed("no command was proposed")
        reason = self._missing(lines) or self._unwanted(lines)
        return self.failed(reason) if reason else self.passed(f"{len(lines)} commands, as asked for")

    def _missing(self, lines: list[str]) -> str | None:
        position = 0
        for pattern in self.all:
            found = [number for number, line in enumerate(lines) if finds(pattern, line, at_start=True)]
            if not found:
                return f"no command matches {pattern!r}"
            if self.in_order:
                later = [number for number in found if number >= position]
                if not later:
                    return f"{lines[found[0]][:80]!r} comes too early"
                position = later[0] + 1
        if self.last is not None and not finds(self.last, lines[-1], at_start=True):
            return f"the last command is {lines[-1][:80]!r}, not {self.last!r}"
        return None

    def _unwanted(self, lines: list[str]) -> str | None:
        for pattern in self.none:
            for line in lines:
                if finds(pattern, line, at_start=True):
                    return f"{line[:80]!r} matches {pattern!r}"
        if self.most is not None and len(lines) > self.most:
            return f"{len(lines)} commands, at most {self.most} are needed"
        return None


class Worked(Check):
    """Every command that was run ended with exit code 0, or at most `failures` did not."""

    runs = True
    check: Literal["worked"]
    failures: int = 0

    def judge(self, evidence: Evidence) -> CheckOutcome:
        """Look at the exit codes."""
        if not evidence.ran:
            return self.failed("nothing was run")
        bad = [ran for ran in evidence.ran if ran.exit_code or ran.stopped]
        if len(bad) <= self.failures:
            return self.passed(f"{len(evidence.ran)} commands ran")
        told = "; ".join(bad[0].stopped) or (bad[0].output.strip().splitlines() or ["no output"])[-1]
        return self.failed(f"{bad[0].command[:60]!r}: exit code {bad[0].exit_code}: {told[:120]}")
