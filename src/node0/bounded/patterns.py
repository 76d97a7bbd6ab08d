# SPDX-License-Identifier: Apache-2.0
"""Search with an operator's regular expressions under bounds: one that backtracks without end is refused."""

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from node0.bounded.helper import OverBounds, shared_helper
from node0.errors import ConfigError

_WORK = "node0.bounded.patterns:found_spans"

Spans = Sequence[tuple[int, int]]
"Of a match: where all of it is, then each group; (-1, -1) where a group took no part."


class Search(NamedTuple):
    """What is asked of the helper."""

    pattern: str
    flags: int
    text: str
    most: int
    "Matches that are wanted; 0 for all."

    at_start: bool


def find_all(pattern: "re.Pattern[str]", text: str, *, where: str) -> Sequence[Spans]:
    """Every match, as `finditer` has them.

    where: what the pattern is and stands in, for the message.

    Raises:
        ConfigError: it takes too long.
    """
    return _ask(Search(pattern.pattern, pattern.flags, text, 0, at_start=False), where)


def finds(pattern: str, text: str, *, flags: int = 0, at_start: bool = False) -> bool:
    """Whether a pattern is found in a text, or at its start.

    Raises:
        ConfigError: it is none, or takes too long.
    """
    try:
        # The flags as a number: compiling adds what the pattern itself switches on.
        compiled = re.compile(pattern, flags)
    except (re.error, RecursionError, OverflowError) as error:
        raise ConfigError(f"pattern {_short(pattern)} cannot be used ({error}): correct it") from None
    return bool(_ask(Search(pattern, compiled.flags, text, 1, at_start), f"pattern {_short(pattern)}"))


def found_spans(given: Sequence[Any]) -> list[list[tuple[int, int]]]:
    """The helper's part: spans of all matches that are wanted."""
    search = Search(*given)
    compiled = re.compile(search.pattern, search.flags)
    if search.at_start:
        first = compiled.match(search.text)
        return [list(first.regs)] if first else []
    if search.most:
        first = compiled.search(search.text)
        return [list(first.regs)] if first else []
    return [list(match.regs) for match in compiled.finditer(search.text)]


def _ask(search: Search, where: str) -> Sequence[Spans]:
    try:
        found: Sequence[Spans] = shared_helper().ask(_WORK, search)
    except OverBounds as error:
        raise ConfigError(
            f"{where} {error} on a text of {len(search.text)} characters: write it without repetitions "
            "inside repetitions"
        ) from None
    return found


def _short(pattern: str) -> str:
    return repr(pattern if len(pattern) <= 60 else f"{pattern[:57]}...")
