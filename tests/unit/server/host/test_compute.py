# SPDX-License-Identifier: Apache-2.0
"""One thread, the most urgent work first, and no error ends it."""

import threading
from collections.abc import Iterator

import pytest

from node0.errors import RetriableError
from node0.server.host.compute import ComputeThread, Priority, failure


@pytest.fixture
def compute() -> Iterator[ComputeThread]:
    thread = ComputeThread()
    yield thread
    thread.close()


def test_the_most_urgent_goes_first_and_microbatches_in_order(compute: ComputeThread) -> None:
    may_start, done = threading.Event(), []
    compute.submit(Priority.CONTROL, may_start.wait)
    plan = [
        (Priority.FORWARD, 1),
        (Priority.FORWARD, 0),
        (Priority.DECODE, 0),
        (Priority.BACKWARD, 3),
        (Priority.BACKWARD, 2),
        (Priority.CONTROL, 0),
    ]
    futures = [
        compute.submit(priority, lambda each=each: done.append(each), order=each[1])
        for each in plan
        for priority in [each[0]]
    ]
    may_start.set()
    for future in futures:
        future.result(5.0)

    assert done == sorted(plan)


def test_equal_work_is_done_in_the_order_of_its_arrival(compute: ComputeThread) -> None:
    may_start, done = threading.Event(), []
    compute.submit(Priority.CONTROL, may_start.wait)
    futures = [compute.submit(Priority.DECODE, lambda each=each: done.append(each)) for each in range(50)]
    may_start.set()
    futures[-1].result(5.0)

    assert done == list(range(50))


@pytest.mark.parametrize("error", [ValueError("bad"), SystemExit(3), KeyboardInterrupt()])
def test_an_error_goes_to_its_future_and_the_thread_goes_on(
    compute: ComputeThread, error: BaseException
) -> None:
    def fail() -> None:
        raise error

    assert failure_after(compute.submit(Priority.FORWARD, fail)) is error
    assert compute.submit(Priority.FORWARD, lambda: 7).result(5.0) == 7


def test_work_that_was_cancelled_is_not_done(compute: ComputeThread) -> None:
    may_start, done = threading.Event(), []
    compute.submit(Priority.CONTROL, may_start.wait)
    given_up = compute.submit(Priority.FORWARD, lambda: done.append(1))
    assert compute.waiting >= 1
    assert given_up.cancel()
    may_start.set()
    compute.submit(Priority.FORWARD, lambda: None).result(5.0)

    assert done == []
    assert failure(given_up) is None


def test_what_is_queued_is_finished_and_what_comes_later_is_refused() -> None:
    compute = ComputeThread()
    future = compute.submit(Priority.FORWARD, lambda: 7)
    compute.close()

    assert future.result(0) == 7
    with pytest.raises(RetriableError, match="is stopping"):
        compute.submit(Priority.CONTROL, lambda: 8).result(0)


def failure_after(future: object) -> BaseException | None:
    """The error of work, when it is finished."""
    return future.exception(5.0)  # type: ignore[attr-defined]  # a future
