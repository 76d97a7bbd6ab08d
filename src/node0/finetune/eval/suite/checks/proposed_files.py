# SPDX-License-Identifier: Apache-2.0
"""Check of a file that an answer would write, where nothing is run."""

import re
from typing import Literal

from node0.bounded.patterns import finds
from node0.finetune.eval.schema import CheckOutcome
from node0.finetune.eval.suite.answer import changes_of
from node0.finetune.eval.suite.evidence import Evidence
from node0.finetune.eval.suite.judging import Check


class Wrote(Check):
    """The answer writes this file, by exactly this path, with what it should hold."""

    check: Literal["wrote"]
    path: str
    has: tuple[str, ...] = ()

    def judge(self, evidence: Evidence) -> CheckOutcome:
        """Look at the last change of the path."""
        changes = [change for answer in evidence.answers for change in changes_of(answer)]
        texts = [change.text for change in changes if change.path == self.path]
        if not texts:
            others = sorted({change.path for change in changes})
            return self.failed(f"{self.path} was not written; {', '.join(others) or 'no file'} was")
        for pattern in self.has:
            if not finds(pattern, texts[-1], flags=re.MULTILINE):
                return self.failed(f"{self.path} lacks {pattern!r}")
        return self.passed(f"{self.path} is written as asked for")
