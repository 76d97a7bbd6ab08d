# SPDX-License-Identifier: Apache-2.0
"""Readings: the ways in which a program writes a text down again.

Each gives the text as written, and what of it must be gone: the written form of the value, as pieces that
stand together. Reference: RFC 3986, RFC 4648, RFC 8259, RFC 4180, HTML, ECMA-48, and `xxd`.
"""

import base64
import html
import json
import textwrap
import urllib.parse
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from node0.finetune.corpus.scoreboard.case import Case

WIDTH = 76
GROUPS = 8
"Signs of base64 for six bytes."


class Written(NamedTuple):
    """A text as some program wrote it."""

    text: str
    pieces: tuple[Sequence[str], ...]
    "What shows the value, sign by sign as it is written; together all of it."


Reading = Callable[[Case], Written]


def _signwise(write: Callable[[str], str]) -> Reading:
    """A reading that writes each sign by itself."""

    def read(case: Case) -> Written:
        return Written(write(case.text), tuple([*map(write, line)] for line in case.value.splitlines()))

    return read


def _json(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)[1:-1]


def _base64(case: Case) -> Written:
    text = base64.b64encode(case.text.encode()).decode()
    pieces = []
    for line in case.value.splitlines():
        at = len(case.text[: case.text.index(line, len(case.before))].encode())
        end = at + len(line.encode())
        # Only whole groups of three bytes show the value alone; a short one has too few of them.
        alone = text[-(-at // 3) * 4 : end // 3 * 4]
        pieces.append(alone if len(alone) >= GROUPS else text[at // 3 * 4 : -(-end // 3) * 4])
    return Written(text, tuple(pieces))


def _hex(case: Case) -> Written:
    signs = tuple([sign.encode().hex() for sign in line] for line in case.value.splitlines())
    return Written(case.text.encode().hex(), signs)


def _dump(case: Case) -> Written:
    """As `xxd` prints: sixteen bytes a line, in pairs, with their letters beside them."""
    data = case.text.encode()
    lines = []
    for at in range(0, len(data), 16):
        row = data[at : at + 16]
        pairs = " ".join(row[two : two + 2].hex() for two in range(0, len(row), 2))
        shown = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in row)
        lines.append(f"{at:08x}: {pairs:<39}  {shown}")
    return Written("\n".join(lines), tuple(case.value[at : at + 8] for at in range(len(case.value) - 7)))


def _wrapped(case: Case) -> Written:
    lines = [
        line[at : at + WIDTH] for line in case.text.split("\n") for at in range(0, max(1, len(line)), WIDTH)
    ]
    return Written("\n".join(lines), tuple(case.value.splitlines()))


def _coloured(case: Case) -> Written:
    text = case.region
    pieces: list[Sequence[str]] = []
    for line in case.value.splitlines():
        middle = len(line) // 2
        signs = [*line[:middle], f"\x1b[0m\x1b[1;31m{line[middle]}", *line[middle + 1 :]]
        text = text.replace(line, "".join(signs))
        pieces += [signs, line]
    return Written(case.before + text + case.after, tuple(pieces))


def _added(case: Case) -> Written:
    return Written(
        "@@ -1,2 +1,3 @@\n" + textwrap.indent(case.text, "+", lambda line: True),
        tuple(case.value.splitlines()),
    )


def _utf16(text: str) -> str:
    return "".join(f"{sign}\0" for sign in text)


def _spaced(case: Case) -> Written:
    text = case.region
    for line in case.value.splitlines():
        text = text.replace(line, " ".join(line))
    signs = tuple([f"{sign} " for sign in line[:-1]] + [line[-1]] for line in case.value.splitlines())
    return Written(case.before + text + case.after, signs)


READINGS: Mapping[str, Reading] = {
    "plain": _signwise(str),
    "JSON": _signwise(_json),
    "JSON in JSON": _signwise(lambda text: _json(_json(text))),
    "URL": _signwise(lambda text: urllib.parse.quote(text, safe="")),
    "form": _signwise(urllib.parse.quote_plus),
    "HTML": _signwise(html.escape),
    "unicode escapes": _signwise(
        lambda text: "".join(
            sign if sign.isalnum() and sign.isascii() else f"\\u{ord(sign):04x}" for sign in text
        )
    ),
    "base64": _base64,
    "wrapped": _wrapped,
    "coloured": _coloured,
    "diff": _added,
    "CSV": _signwise(lambda text: text.replace('"', '""')),
    "hex": _hex,
    "xxd": _dump,
    "UTF-16": _signwise(_utf16),
    "spaced": _spaced,
}
