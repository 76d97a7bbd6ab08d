# SPDX-License-Identifier: Apache-2.0
"""Find base64 (RFC 4648) and hex that hold text, also over lines, and write them anew.

Images, hashes and other binary content are no text. Something may be glued to the beginning, such as a path.
"""

import base64
import binascii
import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import chain
from typing import NamedTuple

from node0.finetune.corpus.scrub.readings.blob import Blob, Change
from node0.finetune.corpus.scrub.readings.byte_text import begins_as_text, read_bytes, write_bytes
from node0.finetune.corpus.scrub.word_likeness import word_evidence

SHORTEST = 24
SHORTEST_HEX = 16
"Signs of a code; of hex fewer tell, for every byte of it must be of a text."

BLOB = re.compile(rf"[A-Za-z0-9+/_-]{{{SHORTEST_HEX},}}={{0,2}}")
HEX = re.compile(r"[0-9A-Fa-f-]+")
HEX_BYTES = re.compile(r"(?P<before>0?[xX])?(?P<bytes>(?:[0-9a-fA-F]{2})+)")
HEAD = 16
"Characters that show whether text is inside."

GLUED = re.compile(r"[/_+-]")
MOST_GLUED = 8
"Signs behind which the code may begin."

REMEMBERED = 256
"Signs of a stretch of which is remembered that it is no code: paths and names come again and again."

BREAK = re.compile(r"(?:\r?\n|\\{1,2}n)[ \t]{0,16}")
NARROWEST = 48
"Signs of a line that an encoder breaks."

CODED_LINE = re.compile(r"[A-Za-z0-9+/_-]{1,1024}={0,2}(?![A-Za-z0-9+/_=-])")
URL_SAFE = str.maketrans("-_", "+/")
SAFE = str.maketrans("+/", "-_")


class _Code(NamedTuple):
    """What stands in a stretch: how much before it is no code, the bytes, and whether they are hex."""

    skip: int
    data: bytes
    is_hex: bool


def text_blobs(text: str, words: Sequence[str]) -> Iterator[Blob]:
    """Every stretch that decodes to text.

    Args:
        text: Is searched word by word.
        words: The long words of the text, in order.
    """
    done = 0
    for match in _stretches(text, words):
        stretch = match.group()
        if match.start() < done or (len(stretch) <= REMEMBERED and _is_no_code(stretch)):
            continue
        code = _code_of(stretch)
        if code is None:
            continue
        start = match.start() + code.skip
        end = _end_over_lines(text, start, match.end(), is_hex=code.is_hex)
        if end > match.end():
            code = _code_of(BREAK.sub("", text[start:end])) or code
        content = read_bytes(code.data)
        if content:
            yield Blob(start, end, content.text)
            done = end


def rewritten(blob: str, change: Change) -> str | None:
    """The stretch with the text in it changed and encoded again; None where nothing in it changes."""
    breaks = list(BREAK.finditer(blob))
    body = BREAK.sub("", blob) if breaks else blob
    code = _code_of(body) if BLOB.fullmatch(body) else None
    content = read_bytes(code.data) if code else None
    if code is None or content is None or write_bytes(*content) != code.data:
        return None
    changed = change(content.text)
    if changed == content.text:
        return None
    data = write_bytes(changed, content.encoding)
    written = body[: code.skip] + _encoded(data, body[code.skip :], is_hex=code.is_hex)
    return _in_lines(written, breaks) if breaks else written


def _stretches(text: str, words: Sequence[str]) -> Iterator[re.Match[str]]:
    """Every stretch of the alphabet; only long words are searched, for they are few."""
    at = 0
    for word in words:
        if len(word) >= SHORTEST_HEX:
            at = text.index(word, at)
            yield from BLOB.finditer(text, at, at + len(word))
            at += len(word)


@lru_cache(maxsize=16384)
def _is_no_code(stretch: str) -> bool:
    return _code_of(stretch) is None


def _code_of(stretch: str) -> _Code | None:
    found = HEX_BYTES.fullmatch(stretch)
    if found:
        data = bytes.fromhex(found["bytes"])
        return _Code(found.start("bytes"), data, is_hex=True) if begins_as_text(data[:HEAD]) else None
    if len(stretch) < SHORTEST or HEX.fullmatch(stretch):
        return None
    body = stretch.rstrip("=").translate(URL_SAFE)
    for skip in chain(range(4), _glued(stretch)):
        if skip + HEAD <= len(body) and begins_as_text(binascii.a2b_base64(body[skip : skip + HEAD])):
            rest = body[skip:]
            whole = rest[: len(rest) // 4 * 4]
            tail = rest[len(whole) :]
            padded = tail + "=" * (4 - len(tail)) if len(tail) > 1 else ""
            return _Code(skip, base64.b64decode(whole + padded), is_hex=False)
    return None


def _glued(stretch: str) -> list[int]:
    """Where the code may begin behind signs of the alphabet that join words."""
    found = (match.end() for match in GLUED.finditer(stretch, 3))
    return [end for _, end in zip(range(MOST_GLUED), found, strict=False) if end > 3]


def _end_over_lines(text: str, start: int, end: int, *, is_hex: bool) -> int:
    """Where the code ends that may go on in lines of the same width, as far as they are text too."""
    width = end - start
    narrowest = SHORTEST if is_hex else NARROWEST
    while width >= narrowest and width % 4 == 0 and text[end - 1] != "=":
        line_break = BREAK.match(text, end)
        line = CODED_LINE.match(text, line_break.end()) if line_break else None
        if line is None or len(line.group()) > width or not _is_more(line.group(), is_hex=is_hex):
            break
        end = line.end()
        if len(line.group()) < width:
            break
    return end


def _is_more(line: str, *, is_hex: bool) -> bool:
    """Whether a line of whole groups is text, and no word of its own."""
    body = line.rstrip("=").translate(URL_SAFE)
    if is_hex:
        found = HEX_BYTES.fullmatch(line)
        return bool(found) and begins_as_text(bytes.fromhex(line))
    if len(line) % 4 or (len(line) < SHORTEST and "=" not in line and word_evidence(line) > 0):
        return False
    return begins_as_text(base64.b64decode(body + "=" * (-len(body) % 4)))


def _encoded(data: bytes, like: str, *, is_hex: bool) -> str:
    """Bytes in the alphabet of another stretch, padded as that is."""
    if is_hex:
        return data.hex().upper() if like.upper() == like else data.hex()
    written = base64.b64encode(data).decode()
    if "-" in like or "_" in like:
        written = written.translate(SAFE)
    return written if len(like) % 4 == 0 else written.rstrip("=")


def _in_lines(written: str, breaks: Sequence[re.Match[str]]) -> str:
    """Broken into lines of the width of the first."""
    width = breaks[0].start()
    lines = [written[at : at + width] for at in range(0, len(written), width)]
    return breaks[0].group().join(lines)
