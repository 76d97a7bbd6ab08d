# SPDX-License-Identifier: Apache-2.0
"""A pattern that a town adds to the shipped rules.

A pattern is looked for only in texts that hold one of its keywords, and in a helper process under bounds:
one that backtracks without end is refused by its name. The shipped rules take linear time.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from node0.bounded.patterns import Spans, find_all, finds
from node0.errors import ConfigError
from node0.finetune.corpus.scrub.finding import Finding, Tier
from node0.finetune.corpus.scrub.rules.secret_values import entropy, stands_for_a_value

SHORTEST_SECRET = 8


@dataclass(frozen=True)
class OperatorRule:
    """One pattern of a town."""

    kind: str
    pattern: re.Pattern[str]
    tier: Tier = Tier.REDACT
    keywords: tuple[str, ...] = ()
    "In lower case; none means every text."

    group: int | str | None = 0
    "What of a match goes; None is the longest group."

    least_entropy: float = 0.0
    allowed: tuple[re.Pattern[str], ...] = ()
    "What is no secret after all."

    allowed_words: tuple[str, ...] = ()

    @property
    def identity(self) -> str:
        """All of it, for the version of a scrubber."""
        allowed = [pattern.pattern for pattern in self.allowed]
        parts = (
            self.kind,
            self.pattern.pattern,
            self.pattern.flags,
            self.tier.value,
            self.keywords,
            self.group,
        )
        return repr((*parts, self.least_entropy, allowed, self.allowed_words))

    def findings(self, text: str) -> Iterator[Finding]:
        """Every place."""
        if self.keywords:
            folded = text.lower()
            if not any(word in folded for word in self.keywords):
                return
        for spans in find_all(self.pattern, text, where=f"scrub rule {self.kind!r}"):
            start, end = spans[self._group(spans)]
            first, last = spans[0]
            if end > start and not self._harmless(text[first:last], text[start:end]):
                yield Finding(self.kind, self.tier, start, end)

    def _group(self, spans: Spans) -> int:
        if self.group is None:
            return _filled(spans)
        return self.pattern.groupindex[self.group] if isinstance(self.group, str) else self.group

    def _harmless(self, whole: str, secret: str) -> bool:
        if stands_for_a_value(secret) or (self.least_entropy and entropy(secret) < self.least_entropy):
            return True
        folded = secret.lower()
        return any(word in folded for word in self.allowed_words) or any(
            finds(pattern.pattern, found, flags=pattern.flags)
            for pattern in self.allowed
            for found in (secret, whole)
        )


def operator_rule(kind: str, pattern: str, *, tier: Tier, keywords: Sequence[str] = ()) -> OperatorRule:
    """A rule of a town's settings; the group `secret`, where there is one, is what goes.

    Raises:
        ConfigError: the pattern is none, or matches nothing at all.
    """
    compiled = compiled_pattern(pattern, f"scrub rule {kind!r}")
    if finds(pattern, "", at_start=True):
        raise ConfigError(f"scrub rule {kind!r} matches the empty text: make its pattern longer")
    group = "secret" if "secret" in compiled.groupindex else 0
    return OperatorRule(kind, compiled, tier, tuple(word.lower() for word in keywords), group)


def compiled_pattern(pattern: str, where: str) -> re.Pattern[str]:
    """The pattern, ready to use.

    Raises:
        ConfigError: it is none; the text says `where` it stands.
    """
    try:
        return re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        raise ConfigError(f"{where} cannot be used ({error}): repair or disable it") from error


def _filled(spans: Spans) -> int:
    """The longest group, or all where groups hold only marks of the format."""
    lengths = [(end - start, number) for number, (start, end) in enumerate(spans[1:], start=1)]
    length, number = max(lengths, default=(0, 0))
    return number if length >= SHORTEST_SECRET else 0
