# SPDX-License-Identifier: Apache-2.0
"""Mark in a text what was redacted and what is uncertain, so that a page can colour it."""

import re
from collections.abc import Collection, Iterator
from typing import NamedTuple

from node0.finetune.corpus.scrub.placeholders import NUMBERED, REDACTED

_PLACEHOLDER = f"(?P<redacted>{REDACTED.pattern}|{NUMBERED.pattern})"


class Span(NamedTuple):
    """A run of text of one kind."""

    text: str
    kind: str = ""
    "`redacted`, `uncertain`, or empty."


def spans(text: str, uncertain: Collection[str] = ()) -> Iterator[Span]:
    """The text in runs; together they are the text.

    Args:
        text: of an entry.
        uncertain: values that somebody must look at, marked wherever they stand.
    """
    done = 0
    for match in _pattern(uncertain).finditer(text):
        if match.start() > done:
            yield Span(text[done : match.start()])
        yield Span(match.group(), "redacted" if match.group("redacted") else "uncertain")
        done = match.end()
    if done < len(text):
        yield Span(text[done:])


def _pattern(uncertain: Collection[str]) -> re.Pattern[str]:
    """Longer values first: one may hold another."""
    values = sorted((value for value in uncertain if value), key=len, reverse=True)
    return re.compile("|".join([_PLACEHOLDER, *map(re.escape, values)]))
