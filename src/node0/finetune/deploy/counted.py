# SPDX-License-Identifier: Apache-2.0
"""Which of a version's evaluations count for the gate."""

from collections.abc import Iterable, Sequence

from node0.finetune.registry.evaluations import REPLAY, Evaluation


def counted(evaluations: Sequence[Evaluation], asked: Iterable[str]) -> list[Evaluation]:
    """The last evaluation of each suite that is asked for; where none is, the one that counts then.

    That is the last of a suite other than a replay, else the last replay, else the last measurement.
    """
    if suites := list(asked):
        found = [_last_of(evaluations, suite) for suite in suites]
    else:
        of_suites = [one for one in evaluations if one.detail is not None]
        others = [one for one in of_suites if one.suite != REPLAY]
        found = [_last(others or of_suites or evaluations)]
    return [one for one in found if one is not None]


def not_done(evaluations: Sequence[Evaluation], asked: Iterable[str]) -> list[str]:
    """Suites that are asked for and were not done."""
    return [suite for suite in asked if _last_of(evaluations, suite) is None]


def _last(evaluations: Sequence[Evaluation]) -> Evaluation | None:
    return evaluations[-1] if evaluations else None


def _last_of(evaluations: Sequence[Evaluation], suite: str) -> Evaluation | None:
    return _last([one for one in evaluations if one.suite == suite and one.detail is not None])
