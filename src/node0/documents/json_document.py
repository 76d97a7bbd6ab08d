# SPDX-License-Identifier: Apache-2.0
"""Read one JSON object from a file under bounds of bytes and depth, whoever wrote it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

MAX_DEPTH = 100
"Objects and lists inside each other; what reads a value goes down into each, and Python's stack ends."

_TOO_DEEP = f"it nests more than {MAX_DEPTH} deep"

MAX_BYTES = 64 << 20
"Of a file that is read whole; a tokenizer with a vocabulary of 250,000 takes a third."


def read_object(path: Path, *, max_bytes: int = MAX_BYTES) -> dict[str, Any]:
    """The JSON object that a file holds.

    Raises:
        ValueError: it holds none, is too large, or nests too deep; the message is a part of a sentence.
        OSError: it cannot be read.
    """
    if (size := path.stat().st_size) > max_bytes:
        raise ValueError(f"it has {size} bytes, at most {max_bytes} are read")
    return object_of(path.read_bytes())


def object_of(text: str | bytes) -> dict[str, Any]:
    """The JSON object that a text is.

    Raises:
        ValueError: it is none, or nests too deep; the message is a part of a sentence.
    """
    value = value_of(text)
    if not isinstance(value, dict):
        raise ValueError("it is no JSON object" if value is None else "it is not a JSON object")
    return value


def value_of(text: str | bytes) -> Any:
    """The JSON value that a text is.

    Raises:
        ValueError: it is none, or nests too deep; the message is a part of a sentence.
    """
    try:
        value = json.loads(text)
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None
    except ValueError as error:
        raise ValueError(f"it is not JSON: {error}") from None
    if depth_exceeds(value):
        raise ValueError(_TOO_DEEP)
    return value


def depth_exceeds(value: Any, limit: int = MAX_DEPTH) -> bool:
    """Whether a JSON value has more than `limit` objects and lists inside each other."""
    level = [value]
    for _ in range(limit):
        level = [inner for outer in level for inner in _inside(outer)]
        if not level:
            return False
    return True


def _inside(value: Any) -> Iterator[Any]:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return (item for item in inner if isinstance(item, dict | list))
