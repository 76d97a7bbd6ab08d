# SPDX-License-Identifier: Apache-2.0
"""The secrets of this machine, found wherever they stand: what a session prints, it mostly prints from there.

They are read when a first text is scrubbed, and held in memory alone.
"""

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from functools import cached_property

from node0.finetune.corpus.known.broken_values import BREAKS, BrokenValues
from node0.finetune.corpus.known.credential_pairs import Pair, pairs_of, unfolded
from node0.finetune.corpus.known.known_judge import secret_values
from node0.finetune.corpus.known.machine_stores import Store
from node0.finetune.corpus.known.persons import Known
from node0.finetune.corpus.known.spellings import spellings
from node0.finetune.corpus.known.window_search import SHORTEST, WindowSearch
from node0.finetune.corpus.scrub.finding import Finding, Tier
from node0.finetune.corpus.scrub.matcher import Matcher

KIND = "known-secret"


class MachineSecrets:
    """Finds values of the environment and of credential stores.

    Args:
        environment: Variables with their values.
        stores: Gives the stores when they are first needed.
        persons: Gives what names the overseer.
    """

    def __init__(
        self,
        environment: Mapping[str, str],
        stores: Callable[[], Iterable[Store]] = tuple,
        persons: Callable[[], Iterable[Known]] = tuple,
    ) -> None:
        self._environment = environment
        self._stores = stores
        self._read_persons = persons

    @classmethod
    def of(cls, values: Iterable[str]) -> "MachineSecrets":
        """One that looks for these values and nothing else."""
        made = cls({})
        made.__dict__["values"] = frozenset(values)
        return made

    @cached_property
    def values(self) -> frozenset[str]:
        """What is looked for."""
        pairs = [inner for pair in self._environment.items() for inner in unfolded(Pair(*pair))]
        for store in self._stores():
            pairs += pairs_of(store.text, store.name)
        return frozenset(secret_values(pairs, Matcher()))

    def shows_in(self, word: str) -> bool:
        """Whether a word of a text may be one of them, or a part of one."""
        return (
            self._search.shows_in(word)
            or self._broken.part_in(word) is not None
            or self._names.shows_in(word)
        )

    def always(self, text: str) -> bool:
        """Whether something that no single word shows may stand in a text."""
        return self._search.may_stand_in(text) or any(name in text for name in self._short_names)

    def findings(self, text: str, words: Collection[str]) -> Iterator[Finding]:
        """Every place, also over breaks of lines; views and codes are the matcher's.

        Args:
            text: Is looked through.
            words: Those of it in which something shows.
        """
        if any(map(self._search.shows_in, words)) or self._search.may_stand_in(text):
            yield from (self._finding(*place) for place in self._search.places(text))
        parts = [(word, part) for word in words if (part := self._broken.part_in(word))]
        if parts and any(sign in text for sign in BREAKS):
            yield from (self._finding(*place) for place in self._broken.places(text, parts))
        if any(map(self._names.shows_in, words)):
            places = (
                place for place in self._names.places(text) if not _in_word(text, place.start, place.end)
            )
            yield from (self._finding(*place) for place in places)
        for name in self._short_names:
            if name in text:
                found = (match.span() for match in re.finditer(re.escape(name), text))
                yield from (self._finding(*span, name) for span in found if not _in_word(text, *span))

    def _finding(self, start: int, end: int, found: str) -> Finding:
        known = self._persons.get(found)
        kind, name = (known.kind, known.name) if known else (KIND, "")
        return Finding(kind, Tier.REDACT, start, end, name)

    @cached_property
    def _search(self) -> WindowSearch:
        return WindowSearch(one for value in self.values for one in spellings(value))

    @cached_property
    def _broken(self) -> BrokenValues:
        return BrokenValues(self.values)

    @cached_property
    def _persons(self) -> dict[str, Known]:
        return {known.spelling: known for known in self._read_persons()}

    @cached_property
    def _names(self) -> WindowSearch:
        return WindowSearch(self._persons)

    @cached_property
    def _short_names(self) -> list[str]:
        return [spelling for spelling in self._persons if len(spelling) < SHORTEST]


def _in_word(text: str, start: int, end: int) -> bool:
    """Whether letters or digits go on where something stands; an escape before it is none."""
    before = text[max(0, start - 2) : start]
    begins = not before[-1:].isalnum() or bool(re.fullmatch(r"\\[nrt]", before))
    return not begins or text[end : end + 1].isalnum()
