# SPDX-License-Identifier: Apache-2.0
import asyncio
import socket
import tempfile
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from hivemind.utils.multiaddr import Multiaddr

from node0.swarm.transport.connector import Connector, closed_on_failure

Opened = list[asyncio.StreamWriter]


def _run(ask: Callable[[Connector], Coroutine[Any, Any, Opened]]) -> list[bool]:
    """Whether each connection that was made to a socket of ours is closed in the end."""

    async def asked(path: str) -> list[bool]:
        opened = await ask(Connector(Multiaddr(f"/unix{path}")))
        closed = [writer.is_closing() for writer in opened]
        for writer in opened:
            writer.close()
            await writer.wait_closed()
        return closed

    with tempfile.TemporaryDirectory(prefix="n-") as directory, socket.socket(socket.AF_UNIX) as listening:
        path = str(Path(directory) / "s")
        listening.bind(path)
        listening.listen()
        return asyncio.run(asked(path))


def test_what_a_block_opened_stays_open_when_it_went_well() -> None:
    async def ask(connector: Connector) -> Opened:
        with closed_on_failure():
            return [(await connector.open_connection())[1]]

    assert _run(ask) == [False]


@pytest.mark.parametrize("error", [OSError, asyncio.CancelledError])
def test_a_block_that_raises_closes_what_it_opened_and_nothing_else(error: type[BaseException]) -> None:
    async def ask(connector: Connector) -> Opened:
        opened = [(await connector.open_connection())[1]]
        with pytest.raises(error), closed_on_failure():
            opened += [(await connector.open_connection())[1] for _ in range(2)]
            raise error
        return opened

    assert _run(ask) == [False, True, True]
