# SPDX-License-Identifier: Apache-2.0
import re
from typing import Any

import pytest
from eval_items import said

from node0.errors import ConfigError
from node0.finetune.eval.suite.checks.words import Decides, Fields, Says
from node0.finetune.eval.suite.evidence import Evidence


def _told(words: str) -> Evidence:
    return Evidence("crew", [said(words)])


def test_patterns_are_looked_for_whatever_the_letter_case() -> None:
    check = Says(check="says", all=("hook", r"gt-\d+"), none=("maybe",), longest=40)

    assert check.judge(_told("My HOOK holds gt-12.")).passed
    assert check.judge(_told("My hook is empty.")).reason == r"the answer lacks 'gt-\\d+'"
    assert check.judge(_told("hook gt-1, maybe")).reason == "the answer holds 'maybe'"
    assert "characters" in check.judge(_told("hook gt-1 " + "x" * 40)).reason


@pytest.mark.parametrize(
    ("given", "passed"),
    [
        ('{"ids": ["b", "a"], "count": 2, "why": "x"}', True),
        ('{"ids": ["a", "b"], "count": 2.0, "why": "x"}', True),
        ('{"ids": ["a"], "count": 2, "why": "x"}', False),
        ('{"ids": ["a", "b"], "count": true, "why": "x"}', False),
        ('{"ids": ["a", "b"], "count": 2, "why": ""}', False),
        ('{"ids": ["a", "b"], "why": "x"}', False),
        ("two", False),
    ],
)
def test_fields_are_compared_one_by_one(given: str, passed: bool) -> None:
    check = Fields(check="fields", equal={"ids": ["a", "b"], "count": 2}, also=("why",))

    assert check.judge(_told(given)).passed is passed


def test_true_is_not_one() -> None:
    check = Fields(check="fields", equal={"n": 1})

    assert not check.judge(_told('{"n": true}')).passed


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ('{"action": "nudge", "target": "rig/moss", "reason": "idle for 40 min"}', "decided on nudge"),
        ('{"action": "no-op", "target": "rig/moss", "reason": "idle"}', "action is 'no-op'"),
        ('{"action": "nudge", "target": "rig/fern", "reason": "idle"}', "target is 'rig/fern'"),
        ('{"action": "nudge", "target": "rig/moss", "reason": "feels right"}', "the reason names none"),
        ("nudge", "no JSON object"),
    ],
)
def test_a_decision_needs_action_target_and_the_right_ground(given: str, told: str) -> None:
    fields: dict[str, Any] = {"right": ("nudge",), "target": "rig/moss", "because": ("idle", "stall")}

    result = Decides(check="decides", **fields).judge(_told(given))

    assert told in result.reason
    assert result.passed is told.startswith("decided")


@pytest.mark.parametrize("pattern", ["(a+)+$", "(a|aa)+!"])
def test_a_pattern_that_backtracks_without_end_is_refused_by_its_words(pattern: str) -> None:
    with pytest.raises(ConfigError, match=f"pattern {re.escape(repr(pattern))} takes too long"):
        Says(check="says", all=(pattern,)).judge(_told("a" * 60 + "?"))
