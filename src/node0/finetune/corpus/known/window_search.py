# SPDX-License-Identifier: Apache-2.0
"""Find many strings in a text in one pass, by short windows of them that are looked up in a table.

Of each string the windows at its first `STEP` places are in the table, so that one of them stands at a
place that is looked at wherever the string begins. Linear in the text, whatever it holds and however many
strings there are.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

WINDOW = 4
STEP = 3
SHORTEST = WINDOW + STEP - 1
"Signs of a string that can be found so."


class Place(NamedTuple):
    """Where a string stands."""

    start: int
    end: int
    text: str


class WindowSearch:
    """Looks for strings.

    Args:
        strings: What is looked for; shorter ones than `SHORTEST` are passed over.
    """

    def __init__(self, strings: Iterable[str]) -> None:
        self._strings: dict[str, list[tuple[str, int]]] = {}
        "For each window, the strings that hold it, and where."

        self._words: dict[str, list[tuple[str, int]]] = {}
        "For each window, the longest words of strings that hold it, and where."

        self._spaced: list[str] = []
        "Strings of short words only: no word of theirs tells them."

        for string in sorted(set(strings)):
            if len(string) >= SHORTEST:
                self._add(string)

    def __bool__(self) -> bool:
        return bool(self._strings)

    def may_stand_in(self, text: str) -> bool:
        """Whether a string of short words may stand in a text; others show in one of its words."""
        return any(string in text for string in self._spaced)

    def shows_in(self, word: str) -> bool:
        """Whether the longest word of a string stands in a word of a text."""
        if len(word) < SHORTEST:
            return False
        held = self._words
        for at in range(0, len(word) - WINDOW + 1, STEP):
            window = word[at : at + WINDOW]
            if window in held and any(
                at >= offset and word.startswith(longest, at - offset) for longest, offset in held[window]
            ):
                return True
        return False

    def places(self, text: str) -> Iterator[Place]:
        """Every place at which a string stands, in order of its windows."""
        held = self._strings
        for at in range(0, len(text) - WINDOW + 1, STEP):
            for string, offset in held.get(text[at : at + WINDOW], ()):
                start = at - offset
                if start >= 0 and text.startswith(string, start):
                    yield Place(start, start + len(string), string)

    def _add(self, string: str) -> None:
        longest = max(string.split(), key=len, default="")
        for offset in range(STEP):
            self._strings.setdefault(string[offset : offset + WINDOW], []).append((string, offset))
        if len(longest) < SHORTEST:
            self._spaced.append(string)
            return
        for offset in range(STEP):
            held = self._words.setdefault(longest[offset : offset + WINDOW], [])
            if (longest, offset) not in held:
                held.append((longest, offset))
