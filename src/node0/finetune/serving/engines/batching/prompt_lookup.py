# SPDX-License-Identifier: Apache-2.0
"""Prompt lookup: guess the next ids from where the last ones stood before (Saxena 2023).

Agents copy names, ids and code out of their context. A guess costs one more row of a pass that reads
all weights anyway, and changes nothing: an id is taken only if it is the one that was drawn.
"""

from collections.abc import Sequence

NGRAM = 3
"Ids that must have stood together before."

LONGEST = 12
"Ids that are guessed at once, at most."


class PromptLookup:
    """The n-grams of one sequence, and how well guesses went."""

    def __init__(self) -> None:
        self._ends: dict[tuple[int, ...], int] = {}
        "Where what follows an n-gram begins, the last time that it stood."

        self._seen = 0
        self._length = 4

    def guess(self, ids: Sequence[int], most: int) -> list[int]:
        """Up to `most` ids that may follow."""
        for end in range(max(self._seen, NGRAM), len(ids)):
            self._ends[tuple(ids[end - NGRAM : end])] = end
        self._seen = max(self._seen, len(ids))
        start = self._ends.get(tuple(ids[-NGRAM:]))
        length = min(most, self._length)
        return [] if start is None or length <= 0 else list(ids[start : start + length])

    def learn(self, guessed: int, taken: int) -> None:
        """Guess further after guesses that were right, and less far after others."""
        if guessed:
            self._length = min(LONGEST, 2 * self._length) if taken == guessed else max(1, taken + 1)
