# SPDX-License-Identifier: Apache-2.0
"""Check that an answer keeps the conventions of its role: commands, files and tools."""

from pathlib import PurePosixPath
from typing import Literal

from node0.finetune.chat.messages import Block
from node0.finetune.eval.schema import CheckOutcome
from node0.finetune.eval.suite.checks.role_rules import OVERSEERS, violations
from node0.finetune.eval.suite.evidence import Evidence
from node0.finetune.eval.suite.judging import Check
from node0.finetune.eval.suite.shell import simple_commands

NO_CODE = OVERSEERS | {"refinery", "dog"}
"Roles that write no code."

_NOTES = ("MEMORY.md", "TODO.md")


class ConventionsKept(Check):
    """No convention that binds the role is broken in any turn. An answer that proposes nothing fails."""

    check: Literal["conventions"]
    own: str | None = None
    "The bead on the hook; a polecat does not close it, unless there was nothing to change."

    inside: str | None = None
    "The directory of this agent; files elsewhere are not written."

    def judge(self, evidence: Evidence) -> CheckOutcome:
        """Look at each command and call; the first that breaks a rule is the reason."""
        calls = [block for answer in evidence.answers for block in answer if block["type"] == "tool_use"]
        lines = [" ".join(each) for command in evidence.commands for each in simple_commands(command)]
        if not lines and not calls:
            return self.failed("nothing was proposed")
        for line, reason in violations(evidence.role, lines):
            return self.failed(f"{line[:80]!r}: {reason}")
        for line in lines:
            if reason := self._about_own_bead(evidence.role, line):
                return self.failed(f"{line[:80]!r}: {reason}")
        for call in calls:
            if reason := self._about_call(evidence.role, call):
                return self.failed(reason)
        return self.passed(f"{len(lines)} commands and {len(calls)} calls break no rule of a {evidence.role}")

    def _about_own_bead(self, role: str, line: str) -> str:
        closes = (
            role == "polecat" and self.own is not None and line.startswith("bd close") and self.own in line
        )
        return "a polecat does not close its own bead" if closes and "no-changes" not in line else ""

    def _about_call(self, role: str, call: Block) -> str:
        if call["type"] != "tool_use":
            return ""
        if call["name"] == "TodoWrite":
            return "work is tracked in bd, not by TodoWrite"
        if call["name"] not in ("Write", "Edit"):
            return ""
        return self._about_path(role, str(call["input"].get("file_path", "")))

    def _about_path(self, role: str, path: str) -> str:
        if PurePosixPath(path).name in _NOTES:
            return f"{path}: what shall last goes to gt remember or bd, not into notes"
        if role in NO_CODE:
            return f"{path}: a {role} writes no files of the project"
        if self.inside and path.startswith("/") and not PurePosixPath(path).is_relative_to(self.inside):
            return f"{path} is not in {self.inside}"
        return ""
