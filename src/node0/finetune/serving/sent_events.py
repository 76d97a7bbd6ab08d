# SPDX-License-Identifier: Apache-2.0
"""What another server streams: JSON objects of server-sent events, out of text that comes in pieces."""

import json
from collections.abc import Iterator
from typing import Any

from node0.errors import EngineUnavailable

LARGEST_EVENT = 1 << 20
"Characters of one event; a server that sends more without a line break is not read on."

_FIELD = "data:"
_DONE = "[DONE]"


class SentEvents:
    """The events of one stream."""

    def __init__(self, sender: str) -> None:
        """`sender`: who is blamed for what is no event."""
        self._sender = sender
        self._rest = ""
        self.done = False
        "Whether the server said that this is all; what follows is not looked at."

    def read(self, text: str) -> Iterator[dict[str, Any]]:
        """The objects that end in the next piece of the stream; its end counts as a line break.

        Raises:
            EngineUnavailable: an event is no JSON, or has no end.
        """
        if self.done:
            return
        # Not `splitlines`: JSON may hold other breaks, such as U+2028, as they are.
        *whole, self._rest = (self._rest + text).split("\n")
        for data in (line.removeprefix(_FIELD).strip() for line in whole if line.startswith(_FIELD)):
            if data == _DONE:
                self.done = True
                return
            event = self._parsed(data)
            if isinstance(event, dict):
                yield event
        if len(self._rest) > LARGEST_EVENT:
            raise EngineUnavailable(f"{self._sender} sent an event without an end; see its log")

    def _parsed(self, data: str) -> object:
        try:
            return json.loads(data)
        except (ValueError, RecursionError):
            raise EngineUnavailable(f"{self._sender} sent an event that is no JSON; see its log") from None
