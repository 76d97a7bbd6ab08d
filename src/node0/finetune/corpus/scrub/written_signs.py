# SPDX-License-Identifier: Apache-2.0
"""Read a value sign by sign as a program wrote it, and write another of the same length in its place."""

import html
import re
import unicodedata
from collections.abc import Iterator

from node0.finetune.corpus.scrub.views import (
    BETWEEN_SIGNS,
    CODE,
    ENTITY,
    INVISIBLE,
    NUL,
    SPACED,
    WIDE,
    sign_of,
)

UNIT = re.compile(
    rf"(?P<nothing>{INVISIBLE.pattern}|{NUL}"
    r"|(?:\\{1,4}[nr]|\r?\n)(?:[ \t]|\\{1,4}t){0,40}(?:[│┃|>#*+][ \t]{1,8})?)"
    rf"|(?P<code>%(?:25)?[0-9A-Fa-f]{{2}}|{CODE})"
    rf"|(?P<entity>{ENTITY.pattern})|(?P<quote>\"\")|\\{{1,8}}(?P<escaped>[/\"'])|(?P<sign>(?s:.))"
)
DIGITS = re.compile(r"[0-9A-Fa-f]+(?=\}?$)")

PLAIN = re.compile(r"[A-Za-z0-9 ._:/+=@,;!?*()#-]*")
"What nothing has to be undone in."


def read(written: str) -> str:
    """What stands there, encodings of single signs undone, without line breaks and what has no width."""
    return written if _is_plain(written) else "".join([sign for sign, _ in _units(written)])


def write_over(written: str, value: str) -> str:
    """The written text with `value` in place of what it says, sign by sign, each encoded as before.

    Args:
        written: As `read` reads it.
        value: Of the same length as that.
    """
    if _is_plain(written):
        return value
    signs = iter(value)
    pieces = []
    for sign, piece in _units(written):
        new = next(signs) if sign else ""
        pieces.append(piece if new == sign else _coded(new, piece))
    return "".join(pieces)


def _is_plain(written: str) -> bool:
    return bool(PLAIN.fullmatch(written)) and not (" " in written and SPACED.fullmatch(written))


def _coded(sign: str, like: str) -> str:
    """A sign as another one is encoded that has a number of two to eight digits of hex; else as it is."""
    digits = DIGITS.search(like)
    if len(like) < 3 or digits is None or not re.match(r"\\+[uUx]|%|&#[xX]", like) or like.count("u") > 1:
        return sign
    return f"{like[: digits.start()]}{ord(sign):0{len(digits.group())}x}{like[digits.end() :]}"


def _units(written: str) -> Iterator[tuple[str, str]]:
    """Each sign with the piece of text that writes it; an empty one for what is only layout."""
    if " " in written and SPACED.fullmatch(written):
        yield from _spaced(written)
        return
    for match in UNIT.finditer(written):
        piece = match.group()
        if match["nothing"] is not None:
            yield "", piece
        elif match["code"] is not None:
            yield (chr(int(piece[-2:], 16)) if re.match(r"%[^u]", piece) else sign_of(piece)), piece
        elif match["entity"] is not None:
            yield html.unescape(piece), piece
        elif match["quote"] is not None:
            yield '"', piece
        elif WIDE.fullmatch(piece):
            yield unicodedata.normalize("NFKC", piece), piece
        else:
            yield match["escaped"] or match["sign"], piece


def _spaced(written: str) -> Iterator[tuple[str, str]]:
    done = 0
    for gap in BETWEEN_SIGNS.finditer(written):
        yield from ((sign, sign) for sign in written[done : gap.start()])
        yield "", gap.group()
        done = gap.end()
    yield from ((sign, sign) for sign in written[done:])
