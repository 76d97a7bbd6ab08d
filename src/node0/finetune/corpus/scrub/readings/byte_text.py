# SPDX-License-Identifier: Apache-2.0
"""Tell whether bytes are text in UTF-8 or UTF-16, and write another text as such bytes.

Bytes that are no text become signs of the private use area, so that every text leads back to its bytes.
"""

from typing import NamedTuple

PRIVATE = 0xF700
ESCAPED = {0xDC00 + byte: PRIVATE + byte for byte in range(0x80, 0x100)}
RESTORED = {code: lone for lone, code in ESCAPED.items()}
"Python's lone surrogates for bytes (PEP 383), and what stands for them: not everybody can encode those."

FOREIGN = frozenset(map(chr, ESCAPED.values()))
OF_UTF_8 = ESCAPED | {ord(sign): "".join(chr(PRIVATE + byte) for byte in sign.encode()) for sign in FOREIGN}
"Where a sign of that area stands itself, its bytes do: they lead back to it."

TEXT = bytes([*range(32, 127), 9, 10, 13, 27, *range(128, 256)])
ASCII = bytes([*range(32, 127), 9, 10, 13])
MOST_FOREIGN = 10
"One sign in so many may be no text."

LEAST_WIDE = 4
"Pairs of bytes from which on every second NUL tells of UTF-16."


class BytesOfText(NamedTuple):
    """A text and how it was encoded."""

    text: str
    encoding: str


def read_bytes(data: bytes, *, any_content: bool = False) -> BytesOfText | None:
    """The text; None where it is none, unless `any_content` may stand beside it."""
    wide = _wide_encoding(data)
    if wide:
        return BytesOfText(data.decode(wide, "surrogatepass").translate(ESCAPED), wide)
    text = data.decode("utf-8", "surrogateescape").translate(OF_UTF_8)
    if not any_content:
        foreign = len(data.translate(None, TEXT)) + sum(map(text.count, set(text) & FOREIGN))
        if foreign > len(data) // MOST_FOREIGN:
            return None
    return BytesOfText(text, "utf-8")


def write_bytes(text: str, encoding: str) -> bytes:
    """The bytes that are read so."""
    errors = "surrogateescape" if encoding == "utf-8" else "surrogatepass"
    return text.translate(RESTORED).encode(encoding, errors)


def begins_as_text(head: bytes) -> bool:
    """Whether the first bytes of something look like text, at little cost."""
    if not head.translate(None, ASCII):
        return True
    if b"\0" in head and _wide_encoding(head):
        return True
    if head.translate(None, TEXT):
        return False
    whole = head.decode("utf-8", "ignore").encode()
    return len(head) - len(whole) <= 3 and head.startswith(whole[: len(head) - 3])


def _wide_encoding(data: bytes) -> str | None:
    """UTF-16 in which most signs are ASCII, by its NULs; none where a sign stands for a byte already."""
    half = len(data) // 2
    if half < LEAST_WIDE or len(data) % 2:
        return None
    for encoding, high, low in (("utf-16-le", data[1::2], data[::2]), ("utf-16-be", data[::2], data[1::2])):
        if high.count(0) * 4 >= half * 3 and low.count(0) * 8 <= half:
            return None if FOREIGN & set(data.decode(encoding, "surrogatepass")) else encoding
    return None
