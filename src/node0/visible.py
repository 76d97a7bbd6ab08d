# SPDX-License-Identifier: Apache-2.0
"""Text of strangers as a terminal shows it: control characters are spelled out and steer nothing.

Escape sequences (ECMA-48) move the cursor, clear the screen, set the window's title and, with OSC 52, write
the clipboard. All of them begin with a character that this module spells as Python does (`\\x1b`): the C0
and C1 controls except tab and line end, the directional formatting of Unicode (UAX 9, 2.1 to 2.5), which
shows a line in another order than it has, the invisible tag characters, and half a surrogate pair, which
no UTF-8 output takes.
"""

import re
from typing import TextIO

_STEERING = re.compile(
    "[\\x00-\\x08\\x0b\\x0c\\x0e-\\x1f\\x7f-\\x9f\\u061c\\u202a-\\u202e\\u2066-\\u2069\\ud800-\\udfff"
    "\\U000e0000-\\U000e007f]|\\r(?!\\n)"
)


def visible(text: str) -> str:
    """The text with each character that would steer a terminal spelled out, such as `\\x1b`."""
    return _STEERING.sub(lambda match: _spelled(ord(match.group())), text)


def data_for(sink: TextIO, text: str) -> str:
    """The text as it is for a file or a pipe, visible for a terminal."""
    return visible(text) if sink.isatty() else text


def _spelled(code: int) -> str:
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
