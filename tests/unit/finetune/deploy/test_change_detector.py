# SPDX-License-Identifier: Apache-2.0
import math
import random

import pytest
from pydantic import ValidationError

from node0.finetune.deploy.change_detector import BreakerSettings, Evidence, Verdict, weigh

SETTINGS = BreakerSettings()
RUNS, SESSIONS = 1000, 100


def _stopped(rate: float) -> list[Evidence]:
    draws = (random.Random(seed) for seed in range(RUNS))
    runs = (weigh((draw.random() < rate for _ in range(SESSIONS)), SETTINGS) for draw in draws)
    return [run for run in runs if run.verdict is Verdict.BAD]


def test_the_sum_is_of_log_likelihood_ratios_and_never_negative() -> None:
    found = weigh([True, True, False], SETTINGS)

    assert found == Evidence(Verdict.GOOD, 3, 2, pytest.approx(math.log(0.5 / 0.2)))


def test_good_and_healthy_versions_stay() -> None:
    assert len(_stopped(0.9)) <= 0.005 * RUNS
    assert len(_stopped(0.8)) <= 0.05 * RUNS


def test_a_broken_version_leaves_soon() -> None:
    stopped = _stopped(0.5)

    assert len(stopped) >= 0.99 * RUNS
    assert sorted(run.sessions for run in stopped)[len(stopped) // 2] <= 25


def test_too_few_sessions_never_stop_a_version() -> None:
    few = [False] * (SETTINGS.min_sessions - 1)

    assert weigh(few, SETTINGS).verdict is Verdict.SUSPECT
    assert weigh([*few, False], SETTINGS).verdict is Verdict.BAD


def test_a_long_good_time_does_not_pay_for_a_bad_one() -> None:
    bad = [False] * 8

    assert weigh([True] * 500 + bad, SETTINGS).verdict is Verdict.BAD


def test_a_suspect_is_cleared_only_by_a_sum_of_zero() -> None:
    suspicion = [False] * 4
    relief = math.ceil(4 * math.log(0.5 / 0.2) / math.log(0.8 / 0.5))

    assert weigh([*suspicion, *[True] * (relief - 1)], SETTINGS).verdict is Verdict.SUSPECT
    assert weigh([*suspicion, *[True] * relief], SETTINGS).verdict is Verdict.GOOD


def test_a_broken_rate_above_the_healthy_one_is_refused() -> None:
    with pytest.raises(ValidationError, match="must be below healthy"):
        BreakerSettings(healthy=0.5, broken=0.5)
