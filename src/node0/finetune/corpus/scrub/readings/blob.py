# SPDX-License-Identifier: Apache-2.0
"""A stretch of a text that is another text in a code of its own, such as base64 or a dump of bytes."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

Change = Callable[[str], str]
"Of the text that is inside."


class Blob(NamedTuple):
    """A stretch in code and the text in it."""

    start: int
    end: int
    text: str

    @property
    def span(self) -> tuple[int, int]:
        """Its place."""
        return self.start, self.end


class Reading(NamedTuple):
    """One kind of code: how it is found, and how a stretch of it is written anew."""

    blobs: Callable[[str, Sequence[str]], Iterator[Blob]]
    "Every stretch of a text, given its long words in order."

    rewritten: Callable[[str, Change], str | None]
    "The stretch with the text in it changed; None where nothing in it changes, or it is none."
