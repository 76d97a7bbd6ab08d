# SPDX-License-Identifier: Apache-2.0
"""Find bytes that are listed one by one (`70 61 73`, `70:61`, `0x70, 0x61`, `[112, 97]`) and are text."""

import itertools
import re
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from node0.finetune.corpus.scrub.readings.blob import Blob, Change
from node0.finetune.corpus.scrub.readings.byte_text import read_bytes, write_bytes

FEWEST = 6
"Bytes of a list."


class _Form(NamedTuple):
    """How a byte is written, what stands between two, and what gives such a list of letters away."""

    site: re.Pattern[str]
    whole: re.Pattern[str]
    byte: re.Pattern[str]
    base: int
    written: Callable[[int, str], str]
    "A byte, like another one."


def _hex_digits(byte: int, like: str) -> str:
    upper = like.upper() == like != like.lower()
    return f"{byte:02X}" if upper else f"{byte:02x}"


def _hex_form(before: str, between: str, gap: str) -> _Form:
    """A form with digits of hex: figures are 3x, letters 4x to 7x, and a printable byte follows them."""
    one = rf"{before}[0-9a-fA-F]{{2}}"
    return _Form(
        re.compile(rf"{between}{before}[3-6][0-9a-fA-F]{gap}{before}[2-7][0-9a-fA-F](?![0-9a-zA-Z])"),
        re.compile(rf"(?<![0-9A-Za-z]){one}(?:{gap}{one}){{{FEWEST - 1},}}(?![0-9A-Za-z])"),
        re.compile(r"(?<=0[xX])[0-9a-fA-F]{2}" if before else r"[0-9a-fA-F]{2}"),
        16,
        _hex_digits,
    )


FORMS = (
    _hex_form("", " ", r"(?: |\s{1,8})"),
    _hex_form("", ":", ":"),
    _hex_form("", "-", "-"),
    _hex_form("", ",", ","),
    _hex_form("0[xX]", "", r"(?:,\s{0,8}| )"),
    _Form(
        re.compile(r",\s{0,8}1[012]\d,\s{0,8}(?:1[012]\d|[3-9]\d)(?!\d)"),
        re.compile(rf"(?<![\w.])\d{{1,3}}(?:,\s{{0,8}}\d{{1,3}}){{{FEWEST - 1},}}(?![\w.])", re.ASCII),
        re.compile(r"\d{1,3}"),
        10,
        lambda byte, like: str(byte),
    ),
)
LOOK_BACK = 4096
"Characters before the first site in which its list may begin."


def listed_bytes(text: str, words: Sequence[str]) -> Iterator[Blob]:
    """Every list of bytes that is text; the words are not needed."""
    for form in FORMS:
        done = 0
        site = form.site.search(text)
        while site:
            start = max(done, site.start() - LOOK_BACK)
            found = next(
                (one for one in form.whole.finditer(text, start) if one.end() > site.start() + 1), None
            )
            done = site.end()
            if found and found.start() <= site.start() + 1:
                done = max(done, found.end())
                content = _content(form, found.group())
                if content:
                    yield Blob(found.start(), found.end(), content)
            site = form.site.search(text, done)


def rewritten(written: str, change: Change) -> str | None:
    """The list with the text in it changed; None where nothing in it changes."""
    form = next((form for form in FORMS if form.whole.fullmatch(written)), None)
    data = _bytes_of(form, written) if form else None
    content = read_bytes(data) if data else None
    if form is None or content is None or write_bytes(*content) != data:
        return None
    changed = change(content.text)
    if changed == content.text:
        return None
    return _written_like(form, written, write_bytes(changed, content.encoding))


def _content(form: _Form, written: str) -> str | None:
    data = _bytes_of(form, written)
    content = read_bytes(data) if data else None
    return content.text if content else None


def _bytes_of(form: _Form, written: str) -> bytes | None:
    codes = [int(one, form.base) for one in form.byte.findall(written)]
    return bytes(codes) if max(codes) < 256 else None


def _written_like(form: _Form, written: str, data: bytes) -> str:
    """The bytes with what stood between those of the list; of more bytes, what stood before its second."""
    old = list(form.byte.finditer(written))
    between = [written[one.end() : two.start()] for one, two in itertools.pairwise(old)]
    pieces = [written[: old[0].start()]]
    for number, byte in enumerate(data):
        if number:
            pieces.append(between[number - 1] if number <= len(between) else between[0])
        pieces.append(form.written(byte, written))
    return "".join([*pieces, written[old[-1].end() :]])
