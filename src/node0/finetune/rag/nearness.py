# SPDX-License-Identifier: Apache-2.0
"""How much of a question stands together in a text: its neighbouring words, near each other and in its order.

Pairs of neighbours tell what single words do not: D. Metzler and W. B. Croft, "A Markov random field model
for term dependencies", SIGIR 2005 (sequential dependence). A passage that is quoted holds all its pairs, a
name of two words its one, and a text in which the words stand apart none.
"""

from collections.abc import Mapping
from itertools import pairwise

from node0.finetune.rag.terms import words_of

WINDOW = 4
"Terms in a row within which two stand near each other."


class Nearness:
    """The pairs of one question.

    Args:
        weights: How much each of its terms tells.
    """

    def __init__(self, question: str, weights: Mapping[str, float]) -> None:
        pairs = dict.fromkeys(pairwise(words_of(question)))
        self._weights = {pair: weights[pair[0]] + weights[pair[1]] for pair in pairs}
        self._whole = sum(self._weights.values())
        self._before: dict[str, list[str]] = {}
        for first, second in pairs:
            self._before.setdefault(second, []).append(first)

    def share(self, text: str) -> float:
        """Of the weight of all pairs, that of those which stand in the text: 0 to 1."""
        seen: dict[str, int] = {}
        near = set[tuple[str, str]]()
        for place, term in enumerate(words_of(text)):
            for first in self._before.get(term, ()):
                if place - seen.get(first, -WINDOW) < WINDOW:
                    near.add((first, term))
            seen[term] = place
        return sum(self._weights[pair] for pair in near) / self._whole if near else 0.0
