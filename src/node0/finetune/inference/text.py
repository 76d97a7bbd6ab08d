# SPDX-License-Identifier: Apache-2.0
"""Decode token ids to text as they come: whole characters, never a part of a stop string."""

from collections.abc import Callable, Sequence

Decode = Callable[[list[int]], str]
"Token ids to text, special tokens left out."

BROKEN = "\N{REPLACEMENT CHARACTER}"
_HALF = 3
"Signs at the end that may still become one character: it has four bytes at most."

_NOISE = 8
"Ids in which no character ended: bytes that are no text, for which a window need not grow."


class TextStream:
    """Text of a growing sequence of ids.

    A tokenizer cannot decode ids one by one: a character may need several, and a first piece may
    lose its leading space. So a short window is decoded together, and what may still change waits.
    """

    def __init__(self, decode: Decode, stop_strings: Sequence[str] = ()) -> None:
        self.decode = decode
        self._stops = [stop for stop in stop_strings if stop]
        self._window: list[int] = []
        self._settled = 0
        "How many ids of the window were printed before; they only give the others their context."
        self._printed = 0
        "How many characters of the window were passed on."
        self._waiting = ""
        "Whole characters that may begin a stop string."
        self.stopped_by = ""
        "The stop string that came."

    @property
    def stopped(self) -> bool:
        """Whether a stop string came."""
        return bool(self.stopped_by)

    def push(self, token_id: int) -> str:
        """The text that is certain now, without what was returned before."""
        self._window.append(token_id)
        text = self.decode(self._window)
        held = min(_HALF, len(text) - len(text.rstrip(BROKEN)))
        certain = text[: len(text) - held]
        piece = certain[self._printed :]
        self._printed = max(self._printed, len(certain))
        if piece and (not held or len(self._window) - self._settled >= _NOISE):
            self._slide(held)
        return self._release(piece)

    def push_text(self, text: str) -> str:
        """The same for whole characters whose ids are not known; those before them still give context."""
        rest = self.decode(self._window)[self._printed :] if self._window else ""
        self._settled, self._printed = len(self._window), self._printed + len(rest)
        return self._release(rest + text)

    def finish(self) -> str:
        """The rest: half characters and the beginning of a stop string that never came."""
        rest = self.decode(self._window)[self._printed :] if self._window else ""
        self._window, self._settled, self._printed = [], 0, 0
        text = self._release(rest)
        waiting, self._waiting = self._waiting, ""
        return text + waiting

    def _slide(self, held: int) -> None:
        self._window = self._window[self._settled :]
        self._settled = len(self._window)
        self._printed = len(self.decode(self._window)) - held

    def _release(self, piece: str) -> str:
        if self.stopped:
            return ""
        text = self._waiting + piece
        ends = [(at, stop) for stop in self._stops if (at := text.find(stop)) >= 0]
        if ends:
            at, self.stopped_by = min(ends)
            self._waiting = ""
            return text[:at]
        held = max((_overlap(text, stop) for stop in self._stops), default=0)
        self._waiting = text[len(text) - held :]
        return text[: len(text) - held]


def _overlap(text: str, stop: str) -> int:
    """How many of the last characters of `text` begin `stop`."""
    longest = min(len(text), len(stop) - 1)
    return next((size for size in range(longest, 0, -1) if text.endswith(stop[:size])), 0)
