# SPDX-License-Identifier: Apache-2.0
"""A process that ends again and again is given up; one that ends now and then in a long run is not."""

from node0.swarm.peer.restart_limit import MOST_STARTS, WINDOW, RestartLimit


def test_a_process_that_only_ends_is_given_up() -> None:
    limit = RestartLimit(lambda: 7.0)

    assert [limit.allows() for _ in range(MOST_STARTS + 2)] == [True] * MOST_STARTS + [False] * 2


def test_a_process_that_ends_now_and_then_is_started_again() -> None:
    times = (number * WINDOW / (MOST_STARTS - 1) for number in range(100))
    limit = RestartLimit(lambda: next(times))

    assert all(limit.allows() for _ in range(100))
