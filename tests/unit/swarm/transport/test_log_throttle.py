# SPDX-License-Identifier: Apache-2.0
"""One line a minute about each, however many faults there are."""

from node0.swarm.transport.log_throttle import EVERY, MOST, Seldom


def test_each_is_spoken_of_once_a_minute() -> None:
    now = [0.0]
    seldom = Seldom(lambda: now[0])

    first = [seldom.now("a"), seldom.now("a"), seldom.now("b")]
    now[0] = EVERY - 1
    early = seldom.now("a")
    now[0] = EVERY
    late = [seldom.now("a"), seldom.now("a")]

    assert first == [True, False, True]
    assert early is False
    assert late == [True, False]


def test_strangers_without_end_are_forgotten() -> None:
    seldom = Seldom(lambda: 1.0)

    for number in range(MOST + 1):
        assert seldom.now(str(number))

    assert seldom.now("0")
    assert not seldom.now(str(MOST))
