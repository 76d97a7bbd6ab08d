# SPDX-License-Identifier: Apache-2.0
"""The gate of a peer's streams: an allow-list, and a bound for each remote."""

import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Collection

from node0.errors import FrameRefused
from node0.swarm.transport.log_throttle import LogThrottle
from node0.swarm.transport.stream import Stream

logger = logging.getLogger(__name__)

Handler = Callable[[Stream], Awaitable[None]]

MOST_STREAMS = 64
"Streams that one peer may have open here; each costs a file handle."


class StreamGate:
    """Counts the streams of each remote and refuses what it may not open. Lives on the peer's loop."""

    def __init__(self, allowed: Collection[str] | None) -> None:
        """`allowed`: peer ids that may open a stream; None lets everybody in."""
        self._allowed = allowed
        self._throttle = LogThrottle()
        self._streams: Counter[str] = Counter()

    async def run(self, handler: Handler, stream: Stream, *, name: str) -> None:
        """Let `handler` have a stream that was opened as `name`, where its remote may; then close it."""
        self._streams[stream.remote] += 1
        try:
            if self._admits(stream.remote, name):
                await handler(stream)
        except FrameRefused as error:
            self._warn(stream.remote, f"closed its stream {name}: {error}")
        except Exception:  # one stream's handler may fail; the peer and its other streams go on
            logger.exception("the stream %s of peer %s ended", name, stream.remote)
        finally:
            self._streams[stream.remote] -= 1
            if not self._streams[stream.remote]:
                del self._streams[stream.remote]
            stream.close()

    def _admits(self, remote: str, name: str) -> bool:
        if self._allowed is not None and remote not in self._allowed:
            self._warn(remote, f"is not on the allow-list; refused its stream {name}")
            return False
        if self._streams[remote] > MOST_STREAMS:
            self._warn(remote, f"has {MOST_STREAMS} streams open; refused another {name}")
            return False
        return True

    def _warn(self, remote: str, what: str) -> None:
        """Log what a peer did, unless the log heard of that peer a moment ago."""
        if self._throttle.is_due(remote):
            logger.warning("peer %s %s", remote, what)
