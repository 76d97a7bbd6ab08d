# SPDX-License-Identifier: Apache-2.0
"""One line a minute about each, however many faults there are."""

from node0.swarm.transport.log_throttle import EVERY, MOST, LogThrottle


def test_each_is_spoken_of_once_a_minute() -> None:
    now = [0.0]
    seldom = LogThrottle(lambda: now[0])

    first = [seldom.is_due("a"), seldom.is_due("a"), seldom.is_due("b")]
    now[0] = EVERY - 1
    early = seldom.is_due("a")
    now[0] = EVERY
    late = [seldom.is_due("a"), seldom.is_due("a")]

    assert first == [True, False, True]
    assert early is False
    assert late == [True, False]


def test_strangers_without_end_are_forgotten() -> None:
    seldom = LogThrottle(lambda: 1.0)

    for number in range(MOST + 1):
        assert seldom.is_due(str(number))

    assert seldom.is_due("0")
    assert not seldom.is_due(str(MOST))
