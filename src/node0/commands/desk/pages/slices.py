# SPDX-License-Identifier: Apache-2.0
"""Bounded pages: a slice of rows, or of the text of an entry, however large the whole is."""

import math
from collections.abc import Iterable, Sequence
from typing import Generic, NamedTuple, TypeVar

from node0.errors import ConfigError

ROWS = 50
CHARACTERS = 40_000
LONGEST_NUMBER = 9
"Digits of a page's number."

Row = TypeVar("Row")


class Slice(NamedTuple, Generic[Row]):
    """A page of many."""

    rows: Sequence[Row]
    number: int
    "1, 2, ..."

    last: int
    total: int
    "Rows, or characters, of all pages."


class Piece(NamedTuple):
    """A text of one kind."""

    title: str
    "Empty for what goes on with the piece before."

    text: str
    trained: bool = False


def page_number(text: str | None) -> int:
    """The number that an address asks for; 1 where it asks for none.

    Raises:
        ConfigError: it is not 1, 2, ...
    """
    if text is None:
        return 1
    if not (text.isascii() and text.isdecimal() and len(text) <= LONGEST_NUMBER and int(text)):
        raise ConfigError(f"page {text!r} is not 1, 2, ...; take a link to one")
    return int(text)


def sliced(rows: Sequence[Row], number: int, *, size: int = ROWS) -> Slice[Row]:
    """The rows of a page; of the last one where there are not so many."""
    last = max(1, math.ceil(len(rows) / size))
    number = min(number, last)
    return Slice(rows[(number - 1) * size : number * size], number, last, len(rows))


def cut(pieces: Iterable[Piece], number: int, *, size: int = CHARACTERS) -> Slice[Piece]:
    """The part of each piece that stands on a page of so many characters, of the last page at most.

    A piece that began on an earlier page has its title on each.
    """
    whole = list(pieces)
    total = sum(len(piece.text) for piece in whole)
    last = max(1, math.ceil(total / size))
    number = min(number, last)
    start, end = (number - 1) * size, number * size
    found: list[Piece] = []
    at, title = 0, ""
    for piece in whole:
        title = piece.title or title
        inside = piece.text[max(0, start - at) : max(0, end - at)]
        here = start <= at < end or (at == total and number == last)
        if inside or (here and piece.title):
            found.append(piece._replace(text=inside, title=piece.title if found else title))
        at += len(piece.text)
    return Slice(found, number, last, total)
