# SPDX-License-Identifier: Apache-2.0
from collections.abc import Callable

import pytest

from node0.errors import NotFound, StoreUnavailable
from node0.retry import call_with_retries


def _failing(times: int, error: Exception) -> tuple[Callable[[], str], list[int]]:
    """A call that fails that often before it answers, and the numbers of the calls that were made."""
    calls: list[int] = []

    def call() -> str:
        calls.append(len(calls) + 1)
        if len(calls) <= times:
            raise error
        return "done"

    return call, calls


def test_what_answers_at_once_is_called_once_and_nobody_waits() -> None:
    call, calls = _failing(0, StoreUnavailable("locked"))
    waits: list[float] = []

    assert call_with_retries(call, sleep=waits.append) == "done"
    assert (calls, waits) == ([1], [])


def test_a_retriable_error_is_tried_again_until_it_is_gone() -> None:
    call, calls = _failing(3, StoreUnavailable("locked"))

    assert call_with_retries(call, attempts=4, sleep=lambda seconds: None) == "done"
    assert len(calls) == 4


def test_the_last_error_is_raised_after_that_many_attempts_and_no_wait_follows_it() -> None:
    call, calls = _failing(9, StoreUnavailable("locked"))
    waits: list[float] = []

    with pytest.raises(StoreUnavailable, match="locked"):
        call_with_retries(call, attempts=3, sleep=waits.append)
    assert (len(calls), len(waits)) == (3, 2)


def test_any_other_error_passes_through_at_once() -> None:
    call, calls = _failing(9, NotFound("no such entry"))

    with pytest.raises(NotFound):
        call_with_retries(call, sleep=lambda seconds: pytest.fail("waited"))
    assert calls == [1]


def test_waits_double_up_to_a_bound_with_a_quarter_of_jitter_at_most() -> None:
    call, _ = _failing(5, StoreUnavailable("locked"))
    waits: list[float] = []

    call_with_retries(call, attempts=6, first_delay=1.0, max_delay=6.0, sleep=waits.append)

    assert [least <= wait <= least * 1.25 for wait, least in zip(waits, (1, 2, 4, 6, 6), strict=True)] == [
        True
    ] * 5


def test_each_failed_attempt_is_logged_with_its_reason(caplog: pytest.LogCaptureFixture) -> None:
    call, _ = _failing(1, StoreUnavailable("the store is locked"))

    call_with_retries(call, attempts=2, sleep=lambda seconds: None)

    assert caplog.messages == ["attempt 1 of 2 failed: the store is locked"]
