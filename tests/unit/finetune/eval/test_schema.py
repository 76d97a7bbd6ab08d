# SPDX-License-Identifier: Apache-2.0
from node0.finetune.eval.schema import CheckOutcome, EvalResult, outcomes_of
from node0.finetune.statistics.tallies import Tally


def _result(item: str, *passed: bool, category: str = "git") -> EvalResult:
    checks = tuple(CheckOutcome(check="c", passed=one, reason="r") for one in passed)
    return EvalResult(
        item=item, category=category, role="deacon", epoch=0, passed=all(passed), checks=checks, answers=()
    )


def test_the_score_of_a_trial_is_the_share_of_its_checks() -> None:
    assert _result("a", True, True, False, False).score == 0.5
    assert _result("a").score == 0.0


def test_outcomes_count_passes_and_trials() -> None:
    results = [_result("a", True), _result("a", False), _result("b", True), _result("a", True, category="x")]

    assert outcomes_of(results) == {"git": {"a": Tally(1, 2), "b": Tally(1, 1)}, "x": {"a": Tally(1, 1)}}


def test_a_result_by_checks_counts_each_of_them() -> None:
    checks = tuple(CheckOutcome(check="exact", passed=passed, reason="") for passed in (True, False, True))
    facts = {"item": "s", "category": "replay", "role": "deacon", "epoch": 0, "passed": False, "answers": ()}
    one = EvalResult.model_validate(facts | {"checks": checks, "by_checks": True})

    assert one.tally == Tally(2, 3)
    assert one.model_copy(update={"by_checks": False}).tally == Tally(0, 1)
    assert outcomes_of([one]) == {"replay": {"s": Tally(2, 3)}}
