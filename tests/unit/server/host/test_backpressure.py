# SPDX-License-Identifier: Apache-2.0
"""What waits is bounded in frames and in bytes."""

import asyncio

import pytest

from node0.server.host.backpressure import Intake


@pytest.mark.parametrize(("frames", "nbytes", "each"), [(2, 1000, 1), (1000, 100, 50)])
def test_nothing_more_enters_until_something_leaves(frames: int, nbytes: int, each: int) -> None:
    async def run() -> None:
        intake = Intake(frames=frames, nbytes=nbytes)
        for _ in range(2):
            await asyncio.wait_for(intake.room(), 1.0)
            intake.enter(each)
        waiting = asyncio.create_task(intake.room())
        await asyncio.sleep(0)
        assert not waiting.done()
        intake.leave(each)
        await asyncio.wait_for(waiting, 1.0)

    asyncio.run(run())


def test_one_frame_may_be_larger_than_all_room() -> None:
    async def run() -> None:
        intake = Intake(nbytes=10)
        await asyncio.wait_for(intake.room(), 1.0)
        intake.enter(1000)
        intake.leave(1000)
        await asyncio.wait_for(intake.room(), 1.0)

    asyncio.run(run())
