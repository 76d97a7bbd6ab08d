# SPDX-License-Identifier: Apache-2.0
"""Find base64 that holds text, and decode it for another look."""

import base64
import binascii
import re
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

SHORTEST = 24
BLOB = re.compile(rf"[A-Za-z0-9+/_-]{{{SHORTEST},}}={{0,2}}")
HEX = re.compile(r"[0-9a-fA-F-]+")
HEAD = 16
"Characters that show whether text is inside."

URL_SAFE = str.maketrans("-_", "+/")
UNREADABLE = "\ufffd"
PRINTABLE = bytes([*range(32, 127), 9, 10, 13])


class Blob(NamedTuple):
    """A stretch of base64 and the text in it."""

    start: int
    end: int
    text: str

    @property
    def span(self) -> tuple[int, int]:
        """Its place."""
        return self.start, self.end


def text_blobs(text: str, words: Sequence[str] | None = None) -> Iterator[Blob]:
    """Every stretch that decodes to text; images, hashes and other binary content do not.

    Args:
        words: The long words of the text, in order, where they are known already.
    """
    for match in _stretches(text, text.split() if words is None else words):
        blob = match.group().translate(URL_SAFE).rstrip("=")
        # Something may be glued to its beginning, such as a path.
        skip = next((skip for skip in range(4) if _begins_as_text(blob[skip : skip + HEAD])), None)
        if skip is None or HEX.fullmatch(blob):
            continue
        content = _decoded(blob[skip:])
        if content:
            yield Blob(match.start(), match.end(), content)


def rewritten(blob: str, change: Callable[[str], str]) -> str | None:
    """The stretch with the text in it changed and encoded again; None where nothing in it changes."""
    body = blob.rstrip("=")
    plain = body.translate(URL_SAFE)
    if len(body) < SHORTEST or not BLOB.fullmatch(blob) or HEX.fullmatch(body):
        return None
    for skip in range(4):
        rest = plain[skip:]
        if len(rest) % 4 == 1 or not _begins_as_text(rest[:HEAD]):
            continue
        try:
            text = base64.b64decode(rest + "=" * (-len(rest) % 4)).decode()
        except UnicodeDecodeError:
            continue
        changed = change(text)
        if changed != text:
            written = base64.b64encode(changed.encode()).decode().rstrip("=")
            if plain != body:
                written = written.translate(str.maketrans("+/", "-_"))
            return body[:skip] + written + "=" * (-len(written) % 4 if blob != body else 0)
    return None


def _stretches(text: str, words: Sequence[str]) -> Iterator[re.Match[str]]:
    """Every stretch of the alphabet; only long words are searched, for they are few."""
    at = 0
    for word in words:
        if len(word) >= SHORTEST:
            at = text.index(word, at)
            yield from BLOB.finditer(text, at, at + len(word))
            at += len(word)


def _begins_as_text(head: str) -> bool:
    data = binascii.a2b_base64(head)
    return not data.translate(None, PRINTABLE)


def _decoded(blob: str) -> str | None:
    whole = len(blob) // 4 * 4
    rest = blob[whole:]
    padded = rest + "=" * (4 - len(rest)) if len(rest) > 1 else ""
    text = base64.b64decode(blob[:whole] + padded).decode("utf-8", "replace")
    return text if text.count(UNREADABLE) <= len(text) // 10 and "\0" not in text else None
