# SPDX-License-Identifier: Apache-2.0
"""Ten ways in which a program writes a value down, for tests; made with the standard library alone."""

import base64
import html
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

Write = Callable[[str], str]


def wrapped(value: str) -> str:
    """Broken over two lines in a box, as a terminal shows it."""
    half = len(value) // 2
    return f"\u2502 it said {value[:half]} \u2502\n\u2502 {value[half:]} \u2502"


def dumped(value: str) -> str:
    """As xxd prints it."""
    data = f"so it is {value}, they said\n".encode()
    rows = [data[at : at + 16] for at in range(0, len(data), 16)]
    return "\n".join(
        f"{number * 16:08x}: {_pairs(row):39}  {''.join(chr(b) if 32 <= b < 127 else '.' for b in row)}"
        for number, row in enumerate(rows)
    )


def _pairs(row: bytes) -> str:
    return " ".join(row[at : at + 2].hex() for at in range(0, len(row), 2))


READINGS: dict[str, Write] = {
    "plain": lambda value: f"it is {value} here",
    "url": lambda value: f"GET /login?next=%2F&t={quote(value, safe='')}&page=2",
    "json": lambda value: json.dumps({"note": f"it is {value} here"}),
    "json in json": lambda value: json.dumps(json.dumps({"note": f"it is {value} here"})),
    "base64": lambda value: f"data {base64.b64encode(value.encode()).decode()} end",
    "base64 inside": lambda value: (
        f"data {base64.b64encode(f'some words, {value} and more'.encode()).decode()} end"
    ),
    "hex": lambda value: f"bytes {value.encode().hex()} end",
    "wrapped": wrapped,
    "xxd": dumped,
    "entities": lambda value: (
        f"<p>{html.escape(value)} and {''.join(f'&#{ord(sign)};' for sign in value)}</p>"
    ),
}


def strings_of(value: Any) -> list[str]:
    """Every string of parsed JSON."""
    if isinstance(value, str):
        return [value]
    items = [*value, *value.values()] if isinstance(value, dict) else value if isinstance(value, list) else []
    return [string for item in items for string in strings_of(item)]
