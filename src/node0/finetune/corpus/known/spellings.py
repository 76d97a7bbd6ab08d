# SPDX-License-Identifier: Apache-2.0
"""The ways in which programs write a value down, where no reading of the scrubber undoes them for certain.

Quotes and backslashes of JSON, shells, SQL and HTML, percent signs, hex, and base64 (RFC 4648) at each of
the three places that a value can have in a group of bytes: of that, the signs that hang on nothing but the
value.
"""

import base64
import html
import json
import re
from collections.abc import Iterator
from urllib.parse import quote, quote_plus

SHORTEST_CODE = 9
"Signs of base64 that hold a value and nothing else: fewer stand in too many texts."

UNSAFE = re.compile(r"([^\w@%+=:,./-])", re.ASCII)
URL_SAFE = str.maketrans("+/", "-_")


def spellings(value: str) -> set[str]:
    """The value and every other way to write it."""
    return {value, *_escaped(value), *_coded(value.encode("utf-8", "surrogatepass"))}


def _escaped(value: str) -> Iterator[str]:
    for ascii_only in (True, False):
        once = json.dumps(value, ensure_ascii=ascii_only)[1:-1]
        twice = json.dumps(once, ensure_ascii=ascii_only)[1:-1]
        yield from (once, twice, once.replace("/", "\\/"))
    yield value.replace("'", "'\\''")
    yield value.replace("'", "''")
    yield value.replace('"', '""')
    yield UNSAFE.sub(r"\\\1", value)
    yield html.escape(value)
    yield html.escape(value, quote=False)
    plain = value.encode("utf-8", "surrogatepass")
    yield from (quote(plain, safe=""), quote(plain), quote_plus(plain))


def _coded(data: bytes) -> Iterator[str]:
    yield from (data.hex(), data.hex().upper())
    for before in range(3):
        code = base64.b64encode(bytes(before) + data + bytes(2)).decode()
        # A sign holds six bits: whole ones from the first byte of the value to its last.
        core = code[-(-before * 8 // 6) : (before + len(data)) * 8 // 6]
        if len(core) >= SHORTEST_CODE:
            yield from (core, core.translate(URL_SAFE))
