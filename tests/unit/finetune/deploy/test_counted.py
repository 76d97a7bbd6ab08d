# SPDX-License-Identifier: Apache-2.0
from node0.finetune.deploy.counted import counted, not_done
from node0.finetune.registry.evaluations import Evaluation, EvaluationDetail


def _suite(name: str, score: float = 0.5) -> Evaluation:
    detail = EvaluationDetail(suite_digest="s", outcomes={name: {"i": (1, 1)}})
    return Evaluation(suite=name, items=1, score=score, detail=detail)


BARE = Evaluation(suite="held-out", items=9, score=1.0)
ROLES, OLDER, REPLAY = _suite("roles"), _suite("roles", 0.4), _suite("replay")


def test_the_last_of_each_suite_that_is_asked_for_counts() -> None:
    assert counted([OLDER, REPLAY, ROLES, BARE], ["replay", "roles"]) == [REPLAY, ROLES]
    assert counted([ROLES, BARE], ["replay"]) == []


def test_where_none_is_asked_for_the_last_suite_counts_and_hides_behind_no_replay() -> None:
    assert counted([OLDER, ROLES, REPLAY, BARE], []) == [ROLES]
    assert counted([REPLAY, BARE], []) == [REPLAY]
    assert counted([BARE, BARE], []) == [BARE]
    assert counted([], []) == []


def test_a_bare_score_is_no_suite_whatever_it_is_called() -> None:
    assert not_done([BARE.model_copy(update={"suite": "replay"}), ROLES], ["roles", "replay"]) == ["replay"]
