# SPDX-License-Identifier: Apache-2.0
"""Checks of a throwaway repository as a model left it: what git says of it, and what its files hold."""

import re
from typing import Literal

from node0.bounded.patterns import finds
from node0.finetune.eval.schema import CheckOutcome
from node0.finetune.eval.suite.evidence import Evidence
from node0.finetune.eval.suite.judging import Check


class Probe(Check):
    """A command, run in the place after the model's, prints what it should."""

    runs = True
    check: Literal["probe"]
    run: str
    exactly: str | None = None
    "Its output without the blanks around it."

    matches: str | None = None
    lacks: str | None = None
    tells: str
    "What it means where it is not so, for the reason."

    def judge(self, evidence: Evidence) -> CheckOutcome:
        """Run it and compare."""
        ran = evidence.place.run(self.run)
        output = ran.output.strip()
        if ran.stopped:
            return self.failed(f"{self.tells}: {'; '.join(ran.stopped)}")
        right = self.exactly is None or output == self.exactly.strip()
        right = right and (self.matches is None or _finds(self.matches, output))
        right = right and (self.lacks is None or not _finds(self.lacks, output))
        shown = " / ".join(output.splitlines())[:120]
        return self.held(
            right, f"{self.run[:60]}: {shown}", f"{self.tells} ({self.run[:60]}: {shown or 'nothing'})"
        )


class AFile(Check):
    """A file of the place holds, and lacks, what it should."""

    runs = True
    check: Literal["file"]
    path: str
    has: tuple[str, ...] = ()
    lacks: tuple[str, ...] = ()
    gone: bool = False
    "Whether there must be no such file."

    def judge(self, evidence: Evidence) -> CheckOutcome:
        """Read it and look for each pattern."""
        text = evidence.place.read(self.path)
        if self.gone:
            return self.held(text is None, f"{self.path} is gone", f"{self.path} is still there")
        if text is None:
            return self.failed(f"there is no file {self.path}")
        for pattern in self.has:
            if not _finds(pattern, text):
                return self.failed(f"{self.path} lacks {pattern!r}")
        for pattern in self.lacks:
            if _finds(pattern, text):
                return self.failed(f"{self.path} holds {pattern!r}")
        return self.passed(f"{self.path} as asked for")


def _finds(pattern: str, text: str) -> bool:
    return finds(pattern, text, flags=re.MULTILINE)
