# SPDX-License-Identifier: Apache-2.0
"""Find dumps of bytes as xxd, hexdump and od print them, read them, and print others in the same layout.

A line is an offset, the bytes in hex (od and hexdump also in words of two bytes, the low one first), and
perhaps the bytes as signs. Offsets say how many bytes a line has: they are what makes it a dump.
"""

import itertools
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from node0.finetune.corpus.scrub.readings.blob import Blob, Change
from node0.finetune.corpus.scrub.readings.byte_text import read_bytes, write_bytes

SITE = re.compile(r"000[0-9a-fA-F]{3,13}:?[ \t]{1,4}[0-9a-fA-F]{2}")
"An offset below some megabytes, and a first byte."

MARGIN = r"[^\n\\0-9A-Fa-f]{0,16}"
BREAK = re.compile(rf"(?P<break>(?:\r?\n|\\{{1,8}}n){MARGIN})(?=[0-9a-fA-F]{{6,16}}:?[ \t])")
LINE = re.compile(
    r"(?P<offset>[0-9a-fA-F]{6,16})(?P<colon>:?)[ \t]{1,4}(?P<bytes>[0-9a-fA-F]{2,16"
    r"}(?![0-9A-Za-z])(?: {1,2}[0-9a-fA-F]{2,16}(?![0-9A-Za-z]))*)"
    rf"(?P<rest>(?:(?!{BREAK.pattern.replace('?P<break>', '?:')})[^\n])*)"
)
"A break that is written out ends a line where another one follows; in the column of signs it may be a sign."

ESCAPED_BREAK = re.compile(r"\\{1,8}n")
BYTE = re.compile(r"[0-9a-fA-F]{2}")
GROUP = re.compile(r"[0-9a-fA-F]+")
CLOSING = "|<"
FRAME = re.compile(r" {1,64}[|>]")
SWAPPED = 4
"Digits of a word of two bytes, where no colon says that it is xxd's."

HALF = 8
"Bytes behind which hexdump leaves two spaces."

MOST = 64
"Bytes of a line."

PRINTED = frozenset(range(32, 127))


class _Line(NamedTuple):
    """One line of a dump, with places in the text."""

    start: int
    end: int
    digits: int
    "Of the offset."

    places: list[int]
    "Of the digits of each byte, in the order of the bytes."

    signs: int | None
    "Where the column of signs begins."

    def data(self, text: str) -> bytes:
        """Its bytes."""
        return bytes(int(text[at : at + 2], 16) for at in self.places)


def dumps(text: str, words: Sequence[str]) -> Iterator[Blob]:
    """Every dump; the words are not needed."""
    site = SITE.search(text)
    while site:
        lines = _lines(text, site.start())
        done = site.end()
        if lines:
            done = max(done, lines[-1].end)
            content = _content(text, lines)
            if content.strip():
                yield Blob(lines[0].start, lines[-1].end, content)
        site = SITE.search(text, done)


def rewritten(written: str, change: Change) -> str | None:
    """The dump with the text in it changed; None where nothing in it changes."""
    lines = _lines(written, 0) if LINE.match(written) else []
    data = b"".join(line.data(written) for line in lines)
    content = read_bytes(data, any_content=True)
    if not lines or content is None or write_bytes(*content) != data:
        return None
    changed = change(content.text)
    if changed == content.text:
        return None
    data = write_bytes(changed, content.encoding)
    in_words = len(lines[0].places) > 1 and lines[0].places[0] > lines[0].places[1]
    return _printed(written, lines, data + b"\0" * (len(data) % 2 if in_words else 0))


def _content(text: str, lines: Sequence[_Line]) -> str:
    content = read_bytes(b"".join(line.data(text) for line in lines), any_content=True)
    return content.text if content else ""


def _lines(text: str, start: int) -> list[_Line]:
    """The lines from one on, as long as each offset is that of the line before and its bytes."""
    lines: list[_Line] = []
    match = LINE.match(text, start)
    while match:
        following = BREAK.match(text, match.end())
        more = LINE.match(text, following.end()) if following else None
        count = _distance(match, more)
        lines.append(_line(text, match, lines[0] if lines else None, count))
        match = more if count == len(lines[-1].places) else None
    return [*lines[:-1], *(_without_rest(text, line) for line in lines[-1:])]


def _without_rest(text: str, line: _Line) -> _Line:
    """The last line, which ends with its column of signs, or where a break is written out."""
    if line.signs is not None:
        end = min(line.end, line.signs + len(line.places))
        framed = end < line.end and text[end] in CLOSING
        return line._replace(end=end + framed)
    escaped = ESCAPED_BREAK.search(text, line.start, line.end)
    return line._replace(end=escaped.start()) if escaped else line


def _distance(match: re.Match[str], following: re.Match[str] | None) -> int:
    """Bytes between two offsets, in hex or, as od has them, octal; 0 where that is no width of a line."""
    if following is None:
        return 0
    for base in (16, 8):
        try:
            away = int(following["offset"], base) - int(match["offset"], base)
        except ValueError:
            continue
        if 0 < away <= MOST and len(match["bytes"]) >= away * 2:
            return away
    return 0


def _line(text: str, match: re.Match[str], first: _Line | None, count: int) -> _Line:
    """The line; without `count` it has at most the bytes of the first."""
    most = count or (len(first.places) if first else MOST)
    places: list[int] = []
    end = match.start("bytes")
    for group in GROUP.finditer(match["bytes"]):
        at = match.start("bytes") + group.start()
        if at - end > 1 and (match["colon"] or len(places) != HALF):
            break
        inside = list(range(at, at + len(group.group()) - 1, 2))[: most - len(places)]
        swapped = not match["colon"] and len(group.group()) == SWAPPED
        places += reversed(inside) if swapped else inside
        end = at + len(group.group())
        if len(places) >= most:
            break
    line = _Line(match.start(), match.end(), len(match["offset"]), places, None)
    return line._replace(signs=_signs(text, line, end, first))


def _signs(text: str, line: _Line, end: int, first: _Line | None) -> int | None:
    """Where the column begins that shows the bytes as signs."""
    shown = _shown(line.data(text))
    framed = FRAME.match(text, end, line.end)
    candidates = [framed.end() if framed else end + 2, line.end - len(shown)]
    if first and first.signs is not None:
        candidates.append(line.start + first.signs - first.start)
    # What strips lines may have taken spaces from the end.
    for at in candidates:
        seen = text[at : min(line.end, at + len(shown))] if at >= end else ""
        if seen and seen.ljust(len(shown)) == shown:
            return at
    return None


def _shown(data: bytes) -> str:
    return "".join(chr(byte) if byte in PRINTED else "." for byte in data)


def _printed(written: str, lines: Sequence[_Line], data: bytes) -> str:
    """The bytes in the layout of the first line, with the breaks of the dump."""
    width = len(lines[0].places)
    base = 16 if len(lines) < 2 else _base(written, lines)
    breaks = [written[one.end : two.start] for one, two in itertools.pairwise(lines)]
    offset = int(written[: lines[0].digits], base)
    pieces = []
    for number, at in enumerate(range(0, len(data), width)):
        if number:
            pieces.append(breaks[min(number, len(breaks)) - 1] if breaks else "\n")
        pieces.append(
            _print_line(written[: lines[0].end], lines[0], data[at : at + width], offset + at, base)
        )
    return "".join(pieces)


def _base(written: str, lines: Sequence[_Line]) -> int:
    """Of the offsets."""
    one, two = (written[line.start : line.start + line.digits] for line in lines[:2])
    return 16 if int(two, 16) - int(one, 16) == len(lines[0].places) else 8


def _print_line(template: str, line: _Line, data: bytes, offset: int, base: int) -> str:
    """Some bytes where those of the first line stand."""
    digits = format(offset, "x" if base == 16 else "o").rjust(line.digits, "0")
    signs = list(template)
    upper = template[min(line.places) :].upper().startswith(template[min(line.places) : max(line.places) + 2])
    for number, at in enumerate(line.places):
        code = f"{data[number]:02x}" if number < len(data) else "  "
        signs[at : at + 2] = code.upper() if upper else code
    signs[: line.digits] = digits[-line.digits :]
    end = line.signs if line.signs is not None else max(line.places) + 2
    before, after = "".join(signs[:end]), template[end + len(line.places) :]
    if line.signs is None:
        return (before + template[end:]).rstrip() if len(data) < len(line.places) else before + template[end:]
    return before + _shown(data) + after
