# SPDX-License-Identifier: Apache-2.0
import json

import pytest
from eval_fakes import Guesser, words

from node0.finetune.eval.report.eval_report import (
    Bars,
    Report,
    build_report,
    compared_rows,
    outcomes_of_report,
)
from node0.finetune.eval.running.eval_runner import EvalRunner, Trying
from node0.finetune.eval.running.null_outcomes import null_outcomes
from node0.finetune.eval.schema import outcomes_of
from node0.finetune.statistics.regression import compare
from node0.finetune.statistics.tallies import estimate

TASKS = [*words(count=8), *words("others", count=6, role="polecat", difficulty="hard")]
TRYING = Trying(epochs=3)


def _report(model: Guesser) -> Report:
    results = EvalRunner(TASKS, TRYING).run(model)
    nulls = null_outcomes(TASKS, concurrency=1)
    return build_report(TRYING.plan("words", TASKS, model), TASKS, results, nulls=nulls, bars=Bars(0.8, 0.6))


def test_scores_are_those_of_the_results() -> None:
    results = EvalRunner(TASKS, TRYING).run(Guesser())

    report = _report(Guesser())

    found = estimate(list(outcomes_of(results)["words"].values()))
    assert report["categories"]["words"]["score"] == round(found.score, 4)
    assert report["categories"]["words"]["low"] == round(found.low, 4)
    assert report["categories"]["words"]["trials"] == 24
    assert report["categories"]["words"]["passes"] == sum(r.passed for r in results if r.category == "words")
    assert report["by_role"].keys() == {"deacon", "polecat"}
    assert report["by_difficulty"]["hard"]["items"] == 6
    assert outcomes_of_report(report) == outcomes_of(results)


def test_verdicts_say_pass_fail_or_that_too_little_was_seen() -> None:
    knows = _report(Guesser(chance=lambda category: 1.0))
    half = _report(Guesser(chance=lambda category: 0.6))
    never = _report(Guesser(chance=lambda category: 0.0))

    # Six of six leave room down to 61 %, above what is asked of a category.
    assert knows["categories"]["others"]["verdict"] == "pass"
    assert half["categories"]["words"]["verdict"] == "inconclusive"
    assert never["composite"]["verdict"] == never["categories"]["words"]["verdict"] == "fail"
    assert knows["categories"]["words"]["pass^3"] == 1.0
    assert half["categories"]["words"]["pass^3"] < half["categories"]["words"]["score"]


def test_null_models_stand_in_the_report_and_fail() -> None:
    nulls = _report(Guesser())["null_models"]

    assert {score["verdict"] for scores in nulls.values() for score in scores.values()} == {"fail"}
    assert len(nulls) == 4


def test_each_item_keeps_its_answers_and_reasons() -> None:
    item = _report(Guesser(chance=lambda category: 0.0))["items"][0]

    assert (item["category"], item["passes"], item["trials"]) == ("others", 0, 3)
    assert item["checks"] == pytest.approx(0.5)
    assert item["tried"][2]["checks"][0] == {
        "check": "is the word",
        "passed": False,
        "reason": "said '</script><script>alert(1)</script>'",
    }


def test_equal_results_make_equal_bytes() -> None:
    assert json.dumps(_report(Guesser())) == json.dumps(_report(Guesser()))


def test_a_comparison_is_shown_rounded() -> None:
    old = outcomes_of_report(_report(Guesser(chance=lambda category: 1.0)))
    new = outcomes_of_report(_report(Guesser(chance=lambda category: 0.0)))

    others, _ = compared_rows(compare(old, new))

    assert (others["old"], others["new"], others["delta"], others["verdict"]) == (1.0, 0.0, -1.0, "fail")
