# SPDX-License-Identifier: Apache-2.0
"""Checks of an answer's words: phrases, fields of an object, a decision with its reason."""

import re
from typing import Any, Literal

from node0.bounded.patterns import finds
from node0.finetune.eval.schema import CheckOutcome
from node0.finetune.eval.suite.answer import object_of
from node0.finetune.eval.suite.evidence import Evidence
from node0.finetune.eval.suite.judging import Check


class Says(Check):
    """Patterns that must, or must not, be found in the words of the last answer; letter case is ignored."""

    check: Literal["says"]
    all: tuple[str, ...] = ()
    none: tuple[str, ...] = ()
    longest: int | None = None
    "Characters of the longest answer that passes."

    def judge(self, evidence: Evidence) -> CheckOutcome:
        """Look for each pattern."""
        words = evidence.words
        if missing := [each for each in self.all if not _finds(each, words)]:
            return self.failed(f"the answer lacks {missing[0]!r}")
        if found := [each for each in self.none if _finds(each, words)]:
            return self.failed(f"the answer holds {found[0]!r}")
        if self.longest is not None and len(words) > self.longest:
            return self.failed(f"{len(words)} characters, at most {self.longest} were asked for")
        return self.passed(f"found {len(self.all)} of {len(self.all)} patterns")


class Fields(Check):
    """Fields of the JSON object that was asked for. A list of strings is compared without order."""

    check: Literal["fields"]
    equal: dict[str, Any]
    also: tuple[str, ...] = ()
    "Fields that must hold something."

    def judge(self, evidence: Evidence) -> CheckOutcome:
        """Compare field by field."""
        given = object_of(evidence.answer)
        if given is None:
            return self.failed("the answer holds no JSON object")
        for name, wanted in self.equal.items():
            if name not in given:
                return self.failed(f"the object has no field {name!r}")
            if not _same(given[name], wanted):
                return self.failed(f"{name} is {_short(given[name])}, not {_short(wanted)}")
        empty = [name for name in self.also if not given.get(name)]
        return self.held(not empty, f"{', '.join(self.equal)} as expected", f"field {empty[:1]} is empty")


class Decides(Check):
    """An object with the right `action` for the situation, and a `reason` that names what it rests on."""

    check: Literal["decides"]
    right: tuple[str, ...]
    target: str | None = None
    because: tuple[str, ...] = ()
    "Patterns of which the reason must hold one: what in the situation decides."

    def judge(self, evidence: Evidence) -> CheckOutcome:
        """Compare action, target and reason."""
        given = object_of(evidence.answer)
        if given is None:
            return self.failed("the answer holds no JSON object")
        action, reason = str(given.get("action", "")), str(given.get("reason", ""))
        if action not in self.right:
            return self.failed(f"action is {action[:60]!r}, right is {' or '.join(self.right)}")
        if self.target is not None and given.get("target") != self.target:
            return self.failed(f"target is {_short(given.get('target'))}, not {self.target!r}")
        if self.because and not any(_finds(each, reason) for each in self.because):
            return self.failed(f"the reason names none of {', '.join(self.because)}")
        return self.passed(f"decided on {action}")


def _finds(pattern: str, text: str) -> bool:
    return finds(pattern, text, flags=re.IGNORECASE | re.MULTILINE)


def _same(given: Any, wanted: Any) -> bool:
    if isinstance(wanted, list) and isinstance(given, list) and all(isinstance(each, str) for each in wanted):
        return sorted(map(str, given)) == sorted(wanted)
    if isinstance(wanted, str) and isinstance(given, str):
        return given.strip().lower() == wanted.lower()
    return bool(given == wanted) and isinstance(given, bool) == isinstance(wanted, bool)


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
