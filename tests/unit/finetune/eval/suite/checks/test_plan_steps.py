# SPDX-License-Identifier: Apache-2.0
import json
from typing import Any

import pytest
from eval_items import said

from node0.finetune.eval.suite.checks.plan_steps import Plan
from node0.finetune.eval.suite.evidence import Evidence

CHECK = Plan(
    check="plan",
    least=3,
    most=4,
    covers={"api": "api", "ui": r"\bui\b", "docs": "docs"},
    before=(("api", "ui"),),
    apart=(("ui", "docs"),),
    sizes={"docs": ("S",)},
    depth=2,
)


def _steps(*rows: tuple[str, str, list[str]], size: str = "S") -> str:
    return json.dumps({"steps": [{"id": i, "title": t, "needs": n, "size": size} for i, t, n in rows]})


GOOD = (("1", "Build the API", []), ("2", "The UI", ["1"]), ("3", "Docs", ["1"]))


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (_steps(*GOOD), ""),
        (_steps(*GOOD[:2]), "2 steps, 3 to 4"),
        (_steps(GOOD[0], GOOD[1], ("3", "More", [])), "no step of its own covers 'docs'"),
        (_steps(GOOD[0], ("2", "The UI", []), GOOD[2]), "'ui' does not wait for 'api'"),
        (_steps(GOOD[0], GOOD[1], ("3", "Docs", ["2"])), "the longest chain has 3"),
        (_steps(("1", "api", ["2"]), ("2", "ui", ["1"]), GOOD[2]), "a circle"),
        (_steps(GOOD[0], GOOD[1], ("3", "Docs", ["9"])), "'9' is waited for"),
        (_steps(*GOOD, size="L"), "'docs' has size 'L'"),
        (_steps(GOOD[0], GOOD[1], ("1", "Docs", [])), "two steps have the id"),
        ('{"steps": [{"id": 1}]}', "lacks id or title"),
        ('{"steps": [{"id": 1, "title": "x", "needs": "y"}]}', "is no list"),
        ("first this, then that", "no object with a list of steps"),
        ('{"steps": 3}', "no object with a list of steps"),
    ],
)
def test_a_plan_is_judged_with_its_first_shortcoming(words: str, told: str) -> None:
    result = CHECK.judge(Evidence("mayor", [said(words)]))

    assert told in result.reason
    assert result.passed is (told == "")


def test_steps_that_must_be_apart_may_not_wait_for_one_another() -> None:
    fields: dict[str, Any] = CHECK.model_dump() | {"depth": None}
    words = _steps(GOOD[0], GOOD[1], ("3", "Docs", ["2"]))

    assert "without need" in Plan.model_validate(fields).judge(Evidence("mayor", [said(words)])).reason


def test_a_title_that_fits_two_names_is_left_to_the_one_that_has_no_other() -> None:
    check = Plan(
        check="plan",
        least=2,
        most=2,
        covers={"import": "import", "undo": "undo"},
        before=(("import", "undo"),),
    )
    words = _steps(("u", "Undo the import", ["i"]), ("i", "Import the rows", []))
    alone = _steps(("u", "Undo the import", ["i"]), ("i", "Read the rows", []))

    assert check.judge(Evidence("mayor", [said(words)])).passed
    assert "no step of its own covers" in check.judge(Evidence("mayor", [said(alone)])).reason


def test_names_give_way_to_one_another_until_each_has_a_step() -> None:
    covers = {"a": "one|two", "b": "one|three", "c": "one|three"}
    check = Plan(check="plan", least=3, most=3, covers=covers, apart=(("b", "c"),))
    words = _steps(("1", "One", []), ("2", "Two", ["1"]), ("3", "Three", []))
    doubled = _steps(("1", "One", []), ("2", "One again", []), ("3", "Two", []))

    assert check.judge(Evidence("mayor", [said(words)])).passed
    assert check.judge(Evidence("mayor", [said(doubled)])).passed
    assert not check.judge(Evidence("mayor", [said(doubled.replace("One again", "Two again"))])).passed
