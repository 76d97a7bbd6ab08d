# SPDX-License-Identifier: Apache-2.0
"""Check of code by tests that must pass now and tests that must go on passing; the model does not see them.

The tests run in the sandbox, with the code, in one process: code that wants to can look the answer up. A
word that is drawn for each run marks the lines that count, so that code which prints or leaves early proves
nothing.
"""

import importlib.resources
import secrets
from typing import Literal

from node0.finetune.eval.schema import CheckOutcome
from node0.finetune.eval.suite.evidence import Evidence
from node0.finetune.eval.suite.judging import Check

TESTS = ".checks/tests_of_item.py"
DRIVER = ".checks/run_tests.py"


class CodeTests(Check):
    """Functions of a test file, by name."""

    runs = True
    check: Literal["tests"]
    code: str
    "The test file: functions that assert."

    fixed: tuple[str, ...]
    "Tests that failed before and must pass now."

    kept: tuple[str, ...] = ()
    "Tests that passed before and must not break."

    def judge(self, evidence: Evidence) -> CheckOutcome:
        """Run them all and read the marked lines."""
        place = evidence.place
        source = importlib.resources.files("node0.finetune.eval.suite.programs").joinpath("run_tests.py")
        if not (place.write(DRIVER, source.read_text(encoding="utf-8")) and place.write(TESTS, self.code)):
            return self.failed("the place for the tests was taken")
        mark, names = secrets.token_hex(8), [*self.fixed, *self.kept]
        ran = place.run(f"python3 -I {DRIVER} {TESTS} {mark} {' '.join(names)}")
        told = dict(
            line.split(" ", 2)[1:3] for line in ran.output.splitlines() if line.startswith(f"{mark} ")
        )
        if ran.stopped:
            return self.failed(f"the tests did not end: {'; '.join(ran.stopped)}")
        broken = [name for name in self.kept if told.get(name) != "ok"]
        failing = [name for name in self.fixed if told.get(name) != "ok"]
        if broken:
            return self.failed(f"broken by the change: {broken[0]}: {self._why(told, broken[0], ran.output)}")
        if failing:
            return self.failed(f"still failing: {failing[0]}: {self._why(told, failing[0], ran.output)}")
        return self.passed(f"{len(self.fixed)} tests pass, {len(self.kept)} still do")

    def _why(self, told: dict[str, str], name: str, output: str) -> str:
        return told.get(name) or (output.strip().splitlines() or ["no output"])[-1][:120]
