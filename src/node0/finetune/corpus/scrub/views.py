# SPDX-License-Identifier: Apache-2.0
"""Decoded views of a text (escapes, percent signs, base64, joined lines) with spans in the original.

A view is a text that a reader would get by undoing one encoding (percent signs, JSON escapes, line
wraps), with the way back to the place in the original. Views cover only the stretches that hold such an
encoding, so that ordinary text costs one look, and no stretch is covered twice.
"""

import html
import re
import sys
import unicodedata
from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

CONTEXT = 300
"Characters before an encoded place that may name what it holds, and after it that may be it."

GAP = "\n\0\n"
"Between stretches that do not follow each other."

PERCENT = re.compile(r"(?:%[0-9A-Fa-f]{2})+")
SPACE_OF_A_FORM = r"\+(?![^\s/?&=\"']{0,64}@)"
"A login of a URL holds a plus as itself; a form would write its @ by number."

PERCENT_OR_PLUS = re.compile(rf"(?:%[0-9A-Fa-f]{{2}})+|{SPACE_OF_A_FORM}")
PLUS = re.compile(SPACE_OF_A_FORM)
PLUS_SITE = re.compile(
    r"(?<![^\s\"'=&?])[A-Za-z0-9]{1,12}\+(?![a-z0-9]{1,16}://)"
    r"(?=[^\s+\"'<>(){}\[\]]{1,64}\+[^\s+\"'])"
)
"A form without a percent sign: three words or more, glued by what stands for a space."

PERCENT_SITE = re.compile(r"%[0-9A-Fa-f]{2}")
CODE = (
    r"\\{1,8}(?:u(?:[dD][89abAB][0-9A-Fa-f]{2}\\{1,8}u[dD][c-fC-F][0-9A-Fa-f]{2}"
    r"|[0-9A-Fa-f]{4}|\{[0-9A-Fa-f]{1,6}\})"
    r"|U[0-9A-Fa-f]{8}|x[0-9A-Fa-f]{2}(?![0-9A-Fa-f]{6})|[0-3][0-7]{2})|%u[0-9A-Fa-f]{4}"
)
"A sign by its number: of JSON and JavaScript (also in two halves), of Python, "
"Rust, C and printf; and `escape()`'s."

ESCAPE_SITE = re.compile(rf"{CODE}|\\/")
ESCAPE_SIGNS = ("\\u", "\\x", "\\U", "\\/", "\\0", "\\1", "\\2", "\\3")
"With one of them each begins that has a backslash, but for the colours of `\\e[`."

ESCAPE = re.compile(rf"{CODE}|\\{{1,8}}[/\"'nrt]")
NUL = r"(?:\x00|\^@|\\{1,8}(?:u0000|x00|000|0(?![0-7])))"
NULS = re.compile(NUL)
NUL_SITE = re.compile(rf"(?:{NUL}(?!\x00|\^@)(?s:.)){{4}}")
"UTF-16 that is read as bytes: one stands beside every sign."

INVISIBLE = re.compile(
    r"(?:(?:\x1b|\\{1,4}(?:u001[bB]|x1[bB]|033|e))\[[0-9;?]{0,32}[A-Za-z]"
    r"|[\u00ad\u200b-\u200f\u2060\ufeff]|\\{1,4}u(?:200[b-fB-F]|2060|[fF][eE][fF][fF]))+"
)
"Colours of a terminal, also written out, and letters without a width."

NUL_SIGNS = ("\\u0000", "\\x00", "\\0")
COLOURS = ("\\u001b", "\\u001B", "\\x1b", "\\x1B", "\\033", "\\u20", "\\ufeff")
WIDTHLESS = re.compile("[\u00ad\u200b-\u200f\u2060\ufeff]")
ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9A-Fa-f]{1,6}|[A-Za-z][A-Za-z0-9]{1,24});")
ENTITY_SITE = re.compile(r"&(?:#|amp|lt|gt|quot|apos|[A-Za-z]{2,24};)")
SPACED_SITE = re.compile(r" \S (?:  )?\S (?:  )?\S (?:  )?\S")
SPACED = re.compile(
    r"(?:(?<![A-Za-z0-9])|(?<= -[A-Za-z])|(?<=AKIA)|(?<=ASIA))[!-~]"
    r"(?: (?:  )?\S(?= )){3,} (?:  )?\S(?![A-Za-z0-9_])"
)
SPACED_WORD = re.compile(
    r"(?<![^\s\"'`=:@/,;|+%(\[{<>])[!-~](?: (?:  )?\S(?= )){2,} (?:  )?\S(?![A-Za-z0-9_])"
)
"As SPACED, where the signs are those of one value in a text: no word around it is part of it."

BETWEEN_SIGNS = re.compile(r"(?<=\S) (?=\S)|(?<=\S)  (?= )")
"The space that was put between two signs; where one of them is a space itself, two of three."

WIDE = re.compile(r"[\uff01-\uff5e\u3000\U0001d400-\U0001d7ff]+")
"Full-width and mathematical letters."

DOUBLED_SITE = re.compile(r"\"\"(?<=[\w:=(\[{ ,]..)[^\s\",;)\]}]")
DOUBLED = re.compile(r"\"\"")
"A quote inside a quoted field of CSV (RFC 4180)."

PIECED = re.compile(r"\\{0,7}[\"'] {0,3}\+\s{0,40}\\{0,7}[\"']")
"A literal that was put together of two."

PIECED_SITE = re.compile(r"\+\s{0,40}\\{0,7}[\"']")
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
    if "+" in text and PLUS_SITE.search(text):
        yield _undone(text, PLUS_SITE, PLUS, _percent)
    coded = "\\" in text and any(sign in text for sign in ESCAPE_SIGNS)
    if (coded or "%u" in text) and ESCAPE_SITE.search(text):
        yield _undone(text, ESCAPE_SITE, ESCAPE, _escape)
    yield from _without_layout(text, coded=coded)
    if "&" in text and ENTITY_SITE.search(text):
        yield _undone(text, ENTITY_SITE, ENTITY, _entity)
    if "+" in text and PIECED_SITE.search(text) and PIECED.search(text):
        yield _undone(text, PIECED, PIECED, _nothing)
    if '""' in text and DOUBLED_SITE.search(text):
        yield _undone(text, DOUBLED_SITE, DOUBLED, _one_quote)
    if SPACED_SITE.search(text):
        yield _closed_up(text, SPACED)
        yield _closed_up(text, SPACED_WORD)
    if not text.isascii() and WIDE.search(text):
        yield _undone(text, WIDE, WIDE, _narrow)


def _without_layout(text: str, *, coded: bool) -> Iterator[View]:
    """Without colours and letters of no width; without the NULs of UTF-16."""
    coloured = ("\x1b" in text and "\x1b[" in text) or ("\\" in text and "\\e[" in text)
    coloured = coloured or (coded and any(sign in text for sign in COLOURS))
    if coloured or (not text.isascii() and WIDTHLESS.search(text)):
        yield _undone(text, INVISIBLE, INVISIBLE, _nothing)
    nulls = (
        "\0" in text or ("^" in text and "^@" in text) or (coded and any(sign in text for sign in NUL_SIGNS))
    )
    if nulls and NUL_SITE.search(text):
        yield _undone(text, NUL_SITE, NULS, _nothing)


def _undone(text: str, site: re.Pattern[str], code: re.Pattern[str], decode: Callable[[str], Pieces]) -> View:
    builder = ViewBuilder(text)
    done = 0
    for start, end in _stretches(text, site):
        _go_on(builder, text, done, start)
        at = start
        for match in code.finditer(text, start, end):
            builder.copy(at, match.start())
            at = match.start()
            for piece, length in decode(match.group()):
                builder.decoded(piece, at, at + length)
                at += length
        builder.copy(at, end)
        done = end
    return builder.view()


def _go_on(builder: ViewBuilder, text: str, done: int, start: int) -> None:
    """Lines that follow each other stay together."""
    if builder.length and start - done <= 1 and not text[done:start].strip():
        builder.copy(done, start)
    elif builder.length:
        builder.decoded(GAP, start, start)


def _closed_up(text: str, spaced: re.Pattern[str]) -> View:
    """The signs that stand one by one put together again, with the line around them."""
    builder = ViewBuilder(text)
    done = 0
    for start, end in _stretches(text, SPACED_SITE):
        _go_on(builder, text, done, start)
        at = start
        for run in spaced.finditer(text, start, end):
            for gap in BETWEEN_SIGNS.finditer(text, run.start(), run.end()):
                builder.copy(at, gap.start())
                at = gap.end()
        builder.copy(at, end)
        done = end
    return builder.view()


def _stretches(text: str, site: re.Pattern[str]) -> Iterator[tuple[int, int]]:
    """Around each encoded place: to the next space or quote, and what stands before and after on its line."""
    done = 0
    found = site.search(text)
    while found:
        start = max(done, found.start() - CONTEXT)
        line = text.rfind("\n", start, found.start())
        # What names a value may stand on the line before.
        start = max(start, text.rfind("\n", start, max(start, line)) + 1)
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
    yield sign_of(escape), len(escape)


def sign_of(escape: str) -> str:
    """What an escape stands for."""
    code = escape.lstrip("\\%")
    if code[0] in "uUx":
        halves = re.findall(r"[0-9A-Fa-f]+", code)
        number = int(halves[0], 16)
        if len(halves) > 1:
            number = 0x10000 + ((number & 0x3FF) << 10) + (int(halves[1], 16) & 0x3FF)
        # A half without the other, or a number beyond the last, stands for nothing.
        return "\ufffd" if 0xD800 <= number <= 0xDFFF or number > sys.maxunicode else chr(number)
    return chr(int(code, 8)) if code[0].isdigit() else ESCAPED.get(code, code)


def _nothing(group: str) -> Pieces:
    yield "", len(group)


def _one_quote(group: str) -> Pieces:
    yield '"', len(group)


def _entity(entity: str) -> Pieces:
    yield html.unescape(entity), len(entity)


def _narrow(group: str) -> Pieces:
    yield from ((unicodedata.normalize("NFKC", sign), 1) for sign in group)
