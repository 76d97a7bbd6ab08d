# SPDX-License-Identifier: Apache-2.0
"""What a town knows to be secret before a text is read: this machine's secrets and what was found before."""

from collections.abc import Collection, Iterable, Iterator
from collections.abc import Set as AbstractSet
from typing import Protocol

from node0.finetune.corpus.known.found_secrets import FILE, FoundSecrets
from node0.finetune.corpus.known.known_judge import is_unlike_words
from node0.finetune.corpus.known.machine_secrets import KIND, MachineSecrets
from node0.finetune.corpus.known.machine_stores import stores_of
from node0.finetune.corpus.known.persons import persons_of
from node0.finetune.corpus.scrub.finding import Finding
from node0.finetune.corpus.scrub.lookalikes import KIND as LOOKALIKE
from node0.finetune.corpus.scrub.stand_ins import STRUCTURED
from node0.finetune.corpus.scrub.written_signs import read
from node0.finetune.corpus.town_secret import read_town_secret
from node0.town import Town, environment, user_home

UNTOLD = STRUCTURED | {KIND, LOOKALIKE}
"Kinds whose values are not looked for elsewhere: known already, or nothing that a rule was sure about."

KEY_FILE = "found-secrets.key"
LONGEST = 512
LONGEST_WORD = 64
MOST_WORDS = 200_000
"Words that are remembered, and their length; then they are learned anew."


class _Part(Protocol):
    """What knows some values."""

    def shows_in(self, word: str) -> bool:
        """Whether a word of a text may be one of them, or a part of one."""

    def findings(self, text: str, words: Collection[str]) -> Iterator[Finding]:
        """Every place in a text, in some words of which one shows."""


class _WordMemory:
    """Tells in which words something shows that one part knows, and remembers in which nothing does."""

    def __init__(self, part: _Part) -> None:
        self.part = part
        self._plain: set[str] = set()
        self._telling: set[str] = set()

    def telling(self, words: AbstractSet[str]) -> AbstractSet[str]:
        """Those of some words in which something shows."""
        unknown = words - self._plain
        if not unknown:
            return unknown
        new = unknown - self._telling
        telling = {word for word in new if self.part.shows_in(word)}
        for memory, found in ((self._telling, telling), (self._plain, new - telling)):
            if len(memory) > MOST_WORDS:
                memory.clear()
            memory.update(word for word in found if len(word) <= LONGEST_WORD)
        return unknown - new | telling

    def learn(self) -> None:
        """The part knows more: something may show in other words too."""
        self._plain.clear()


class KnownSecrets:
    """Finds what is known, and learns more.

    Words of texts in which nothing shows are remembered, and most words of a text are those of the texts
    before it.

    Args:
        machine: Secrets of this machine.
        found: Secrets that were found in the town; None where none can be kept.
    """

    def __init__(self, machine: MachineSecrets, found: FoundSecrets | None = None) -> None:
        self._machine = machine
        self._found = found
        self._memories = [_WordMemory(part) for part in (machine, found) if part]

    @property
    def learned(self) -> int:
        """How much was learned so far."""
        return self._found.learned if self._found else 0

    def findings(self, text: str, words: AbstractSet[str] | None = None) -> Iterator[Finding]:
        """Every place.

        Args:
            words: All of the text, where they are known already.
        """
        some = set(text.split()) if words is None else words
        telling = set().union(*(memory.telling(some) for memory in self._memories))
        if telling or self._machine.always(text):
            for memory in self._memories:
                yield from memory.part.findings(text, telling)

    def learn(self, values: Iterable[tuple[str, str]]) -> None:
        """Look for values, each with its kind, that rules have taken out of an entry."""
        if self._found:
            signs = (read(written).strip() for kind, written in values if kind not in UNTOLD)
            if self._found.learn(
                value for value in signs if len(value) <= LONGEST and is_unlike_words(value)
            ):
                self._memories[-1].learn()

    def take_news(self) -> "KnownSecrets | None":
        """What finds only values that are new since the last time it was taken; None where none is."""
        if self._found is None:
            return None
        fresh = [value for value in self._machine.values if not self._found.is_kept(value)]
        found = self._found.take_news()
        if self._found.learn(fresh):
            self._found.take_news()
        return KnownSecrets(MachineSecrets.of(fresh), found) if fresh or found else None

    def keep(self) -> None:
        """Remember, as digests, all news that were taken: the town was looked through for them."""
        if self._found:
            self._found.save()


def known_secrets(town: Town | None) -> KnownSecrets:
    """What is known on this machine, and in a town where there is one."""
    machine = MachineSecrets(
        environment(),
        lambda: stores_of(user_home(), environment(), town),
        (lambda: persons_of(town)) if town else tuple,
    )
    return KnownSecrets(machine, FoundSecrets(lambda: _key(town), town.models / FILE) if town else None)


def _key(town: Town) -> bytes:
    key = read_town_secret(town.models / KEY_FILE, to="know nothing of what was found before")
    return key.encode()[:64]
