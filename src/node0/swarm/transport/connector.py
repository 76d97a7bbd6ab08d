# SPDX-License-Identifier: Apache-2.0
"""Connections to the daemon, of which none outlives a call that failed.

hivemind opens one for each call, and where the daemon says no, or nobody waits any more, leaves it open
until it is collected as garbage.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from hivemind.p2p.p2p_daemon_bindings.control import DaemonConnector

_opened: ContextVar[list[asyncio.StreamWriter]] = ContextVar("_opened")


class Connector(DaemonConnector):  # type: ignore[misc]  # hivemind has no type information
    """hivemind's, which remembers what it opened for the block at hand."""

    async def open_connection(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection to the daemon's socket."""
        reader, writer = await super().open_connection()
        _opened.get([]).append(writer)
        return reader, writer


@contextmanager
def closed_on_failure() -> Iterator[None]:
    """Close, when the block raises, every connection that it opened."""
    opened: list[asyncio.StreamWriter] = []
    token = _opened.set(opened)
    try:
        yield
    except BaseException:
        for writer in opened:
            writer.close()
        raise
    finally:
        _opened.reset(token)
