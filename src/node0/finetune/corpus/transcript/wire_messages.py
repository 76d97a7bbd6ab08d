# SPDX-License-Identifier: Apache-2.0
"""Messages as they went over the wire: JSON of Anthropic's Messages API, unchecked."""

import sys
from typing import Any

MAX_HELD = 48 << 20
"Bytes of the longest conversation that is held; the API takes requests of up to 32 MB."

TOO_LARGE = "call with more than 48 MB before it"
"Why a call is left out."

WireMessage = dict[str, Any]


def as_blocks(content: Any) -> list[dict[str, Any]]:
    """Message content as a list of blocks; what is no block is left out."""
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    return [block for block in content if isinstance(block, dict)] if isinstance(content, list) else []


def held(value: Any) -> int:
    """The memory that the strings of a message take."""
    if isinstance(value, str):
        return sys.getsizeof(value)
    if isinstance(value, dict):
        return sum(held(item) for item in value.values())
    return sum(held(item) for item in value) if isinstance(value, list) else 0
