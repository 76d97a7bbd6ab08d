# SPDX-License-Identifier: Apache-2.0
"""Decoded views of a text (escapes, percent signs, base64, joined lines) with spans in the original.

A view is a text that a reader would get by undoing one encoding (percent signs, JSON escapes, line
wraps), with the way back to the place in the original. Views cover only the stretches that hold such an
encoding, so that ordinary text costs one look, and no stretch is covered twice.
"""

import html
import re
from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

CONTEXT = 300
"Characters before an encoded place that may name what it holds, and after it that may be it."

GAP = "\n\0\n"
"Between stretches that do not follow each other."

PERCENT = re.compile(r"(?:%[0-9A-Fa-f]{2})+")
PERCENT_OR_PLUS = re.compile(r"(?:%[0-9A-Fa-f]{2})+|\+")
PERCENT_SITE = re.compile(r"%[0-9A-Fa-f]{2}")
ESCAPE_SITE = re.compile(r"\\(?:u00[2-7][0-9A-Fa-f]|x[2-7][0-9A-Fa-f]|/)")
ESCAPE = re.compile(r"\\{1,8}(?:u00[2-7][0-9A-Fa-f]|x[2-7][0-9A-Fa-f]|[/\"'nrt])")
INVISIBLE = re.compile(
    r"(?:(?:\x1b|\\{1,4}(?:u001[bB]|x1[bB]|033|e))\[[0-9;?]{0,32}[A-Za-z]"
    r"|[\u00ad\u200b-\u200f\u2060\ufeff]|\\{1,4}u(?:200[b-fB-F]|2060|[fF][eE][fF][fF]))+"
)
"Colours of a terminal, also written out, and letters without a width."

COLOURS = ("\x1b[", "\\u001b", "\\u001B", "\\x1b", "\\x1B", "\\033", "\\e[", "\\u20", "\\ufeff")
WIDTHLESS = re.compile("[\u00ad\u200b-\u200f\u2060\ufeff]")
ENTITY = re.compile(r"&(?:#\d{2,3}|#x[0-9A-Fa-f]{2}|amp|lt|gt|quot|apos);")
PIECED = re.compile(r"\\{0,7}[\"'] {0,3}\+\s{0,40}\\{0,7}[\"']")
"A literal that was put together of two."
ESCAPED = {"n": "\n", "r": "\r", "t": "\t"}
STOP = re.compile(r"[\s\"'<>`]")
Pieces = Iterator[tuple[str, int]]
"What stands for an encoded place, in order, each with the length of its origin."


class MappedSpan(NamedTuple):
    """A piece of a view and where it came from."""

    at: int
    start: int
    end: int
    copied: bool
    "Character for character; otherwise the piece as a whole stands for the whole of its origin."


@dataclass
class View:
    """A decoded text, and the way back."""

    text: str
    mapping: list[MappedSpan] = field(default_factory=list)

    def span(self, start: int, end: int) -> tuple[int, int]:
        """The place in the original of `text[start:end]`."""
        first, last = self._mapped(start), self._mapped(end - 1)
        origin = first.start + (start - first.at if first.copied else 0)
        return origin, last.start + end - last.at if last.copied else last.end

    def _mapped(self, at: int) -> MappedSpan:
        return self.mapping[bisect_right(self.mapping, at, key=lambda span: span.at) - 1]


class ViewBuilder:
    """Puts a view together, piece by piece."""

    def __init__(self, original: str) -> None:
        self._original = original
        self._pieces: list[str] = []
        self._mapping: list[MappedSpan] = []
        self.length = 0

    def copy(self, start: int, end: int) -> None:
        """A piece of the original as it stands."""
        self._put(self._original[start:end], start, end, copied=True)

    def decoded(self, text: str, start: int, end: int) -> None:
        """What stands for a piece of the original."""
        self._put(text, start, end, copied=False)

    def _put(self, text: str, start: int, end: int, *, copied: bool) -> None:
        if text:
            self._mapping.append(MappedSpan(self.length, start, end, copied))
            self._pieces.append(text)
            self.length += len(text)

    def view(self) -> View:
        """What was put together."""
        return View("".join(self._pieces), self._mapping)


def decoded_views(text: str) -> Iterator[View]:
    """The text with each kind of writing undone that is in it; nothing where there is none."""
    if "%" in text and PERCENT_SITE.search(text):
        yield _undone(text, PERCENT, PERCENT, _percent)
        if "+" in text:
            # In a query string it stands for a space, elsewhere for itself.
            yield _undone(text, PERCENT, PERCENT_OR_PLUS, _percent)
    if any(sign in text for sign in ("\\u00", "\\/", "\\x")) and ESCAPE_SITE.search(text):
        yield _undone(text, ESCAPE_SITE, ESCAPE, _escape)
    if any(sign in text for sign in COLOURS) or (not text.isascii() and WIDTHLESS.search(text)):
        yield _undone(text, INVISIBLE, INVISIBLE, _nothing)
    if "&" in text and ENTITY.search(text):
        yield _undone(text, ENTITY, ENTITY, _entity)
    if "+" in text and PIECED.search(text):
        yield _undone(text, PIECED, PIECED, _nothing)


def _undone(text: str, site: re.Pattern[str], code: re.Pattern[str], decode: Callable[[str], Pieces]) -> View:
    builder = ViewBuilder(text)
    for start, end in _stretches(text, site):
        if builder.length:
            builder.decoded(GAP, start, start)
        at = start
        for match in code.finditer(text, start, end):
            builder.copy(at, match.start())
            at = match.start()
            for piece, length in decode(match.group()):
                builder.decoded(piece, at, at + length)
                at += length
        builder.copy(at, end)
    return builder.view()


def _stretches(text: str, site: re.Pattern[str]) -> Iterator[tuple[int, int]]:
    """Around each encoded place: to the next space or quote, and what stands before and after on its line."""
    done = 0
    found = site.search(text)
    while found:
        start = max(done, found.start() - CONTEXT)
        start = max(start, text.rfind("\n", start, found.start()) + 1)
        stop = STOP.search(text, found.end())
        done = stop.start() if stop else len(text)
        line_end = text.find("\n", done, done + CONTEXT)
        done = line_end if line_end >= 0 else min(len(text), done + CONTEXT)
        yield start, done
        found = site.search(text, done)


def _percent(group: str) -> Pieces:
    if group == "+":
        yield " ", 1
        return
    data = bytes.fromhex(group.replace("%", ""))
    if data.isascii():
        yield from ((chr(byte), 3) for byte in data)
    else:
        yield data.decode("utf-8", "replace"), len(group)


def _escape(escape: str) -> Pieces:
    coded = "u00" in escape or "x" in escape
    sign = chr(int(escape[-2:], 16)) if coded else escape[-1]
    yield sign if coded else ESCAPED.get(sign, sign), len(escape)


def _nothing(group: str) -> Pieces:
    yield "", len(group)


def _entity(entity: str) -> Pieces:
    yield html.unescape(entity), len(entity)
