# SPDX-License-Identifier: Apache-2.0
"""What waits is bounded in frames and in bytes."""

import asyncio

import pytest

from node0.server.host.backpressure import Backpressure


@pytest.mark.parametrize(("frames", "nbytes", "each"), [(2, 1000, 1), (1000, 100, 50)])
def test_nothing_more_enters_until_something_leaves(frames: int, nbytes: int, each: int) -> None:
    async def run() -> None:
        pressure = Backpressure(frames=frames, nbytes=nbytes)
        for _ in range(2):
            await asyncio.wait_for(pressure.wait_for_room(), 1.0)
            pressure.enter(each)
        waiting = asyncio.create_task(pressure.wait_for_room())
        await asyncio.sleep(0)
        assert not waiting.done()
        pressure.leave(each)
        await asyncio.wait_for(waiting, 1.0)

    asyncio.run(run())


def test_one_frame_may_be_larger_than_all_room() -> None:
    async def run() -> None:
        pressure = Backpressure(nbytes=10)
        await asyncio.wait_for(pressure.wait_for_room(), 1.0)
        pressure.enter(1000)
        pressure.leave(1000)
        await asyncio.wait_for(pressure.wait_for_room(), 1.0)

    asyncio.run(run())
