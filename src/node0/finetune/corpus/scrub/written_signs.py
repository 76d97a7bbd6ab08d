# SPDX-License-Identifier: Apache-2.0
"""Read a value sign by sign as a program wrote it, and write another of the same length in its place."""

import html
import re
from collections.abc import Iterator

from node0.finetune.corpus.scrub.views import ENTITY, INVISIBLE

UNIT = re.compile(
    rf"(?P<nothing>{INVISIBLE.pattern}"
    r"|(?:\\{1,4}[nr]|\r?\n)(?:[ \t]|\\{1,4}t){0,40}(?:[│┃|>#*+][ \t]{1,8})?)"
    rf"|(?P<code>%[0-9A-Fa-f]{{2}}|\\{{1,8}}(?:u00[2-7][0-9A-Fa-f]|x[2-7][0-9A-Fa-f]))"
    rf"|(?P<entity>{ENTITY.pattern})|\\{{1,8}}(?P<escaped>[/\"'])|(?P<sign>(?s:.))"
)

PLAIN = re.compile(r"[A-Za-z0-9 ._:/+=@,;!?*()#-]*")
"What nothing has to be undone in."


def read(written: str) -> str:
    """What stands there, encodings of single signs undone, without line breaks and what has no width."""
    return written if PLAIN.fullmatch(written) else "".join([sign for sign, _ in _units(written)])


def write_over(written: str, value: str) -> str:
    """The written text with `value` in place of what it says, sign by sign.

    Args:
        written: As `read` reads it.
        value: Of the same length as that; signs that are the same keep their encoding.
    """
    if PLAIN.fullmatch(written):
        return value
    signs = iter(value)
    pieces = []
    for sign, piece in _units(written):
        new = next(signs) if sign else ""
        pieces.append(piece if new == sign else new)
    return "".join(pieces)


def _units(written: str) -> Iterator[tuple[str, str]]:
    """Each sign with the piece of text that writes it; an empty one for what is only layout."""
    for match in UNIT.finditer(written):
        piece = match.group()
        if match["nothing"] is not None:
            yield "", piece
        elif match["code"] is not None:
            yield chr(int(piece[-2:], 16)), piece
        elif match["entity"] is not None:
            yield html.unescape(piece), piece
        else:
            yield match["escaped"] or match["sign"], piece
