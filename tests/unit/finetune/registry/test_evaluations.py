# SPDX-License-Identifier: Apache-2.0
import math

import pytest
from pydantic import ValidationError

from node0.finetune.registry.evaluations import (
    Evaluation,
    EvaluationDetail,
    add_evaluation,
    evaluations_of,
)
from node0.finetune.registry.store import ModelRegistry
from node0.finetune.statistics.tallies import Tally


def test_measurements_come_back_in_order_and_as_they_were(registry: ModelRegistry) -> None:
    whole = Evaluation(
        suite="held-out", items=8, score=0.1 + 0.2, low=0.1, high=1.0, by_category={"loss": 1 / 3}
    )
    with registry.store.write("test") as connection:
        add_evaluation(connection, "deacon", 1, whole)
        add_evaluation(connection, "deacon", 1, Evaluation(suite="score", items=0, score=1))

        first, second, third = evaluations_of(connection, "deacon", 1)
        others = evaluations_of(connection, "deacon", 2)

    assert first.suite == "held-out"
    assert second.model_copy(update={"at": ""}) == whole
    assert (third.low, third.high, third.by_category) == (None, None, {})
    assert second.at.endswith("+00:00")
    assert len(others) == 1


@pytest.mark.parametrize("score", [math.nan, math.inf])
def test_a_score_is_a_number(score: float) -> None:
    with pytest.raises(ValidationError):
        Evaluation(suite="held-out", items=1, score=score)


def test_what_a_suite_found_out_comes_back_item_by_item(registry: ModelRegistry) -> None:
    detail = EvaluationDetail(
        suite_digest="s1", outcomes={"git": {"a": (2, 5), "b": (5, 5)}}, nulls={"echo": {"git": (0, 2)}}
    )
    registry.add_evaluation("deacon:1", Evaluation(suite="roles", items=2, score=0.7, detail=detail))

    found = registry.evaluations(registry.require("deacon:1"))[-1].detail

    assert found == detail
    assert found.tallies()["git"] == {"a": Tally(2, 5), "b": Tally(5, 5)}
