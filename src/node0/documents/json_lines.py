# SPDX-License-Identifier: Apache-2.0
"""Read and write JSON lines: written whole, read with damaged lines counted by reason."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from node0.errors import BadCheckpoint
from node0.files import write_atomically

NOT_JSON = "not JSON"
NO_OBJECT = "not a JSON object"
TORN = "torn last line"
"What a writer left that was stopped in the middle of a line, or is still at work."


def write_json_lines(path: Path, records: Iterable[Mapping[str, Any]]) -> None:
    """Replace `path` by one JSON object a line, keys in their order."""
    write_atomically(path, "".join(f"{json.dumps(record, ensure_ascii=False)}\n" for record in records))


def read_json_lines(path: Path, skipped: Counter[str]) -> Iterator[dict[str, Any]]:
    """Every object of a file, one at a time; lines that are none are counted by reason."""
    for _, found in _lines(path):
        if isinstance(found, str):
            skipped[found] += 1
        else:
            yield found


def require_json_lines(path: Path) -> list[dict[str, Any]]:
    """Every object of a file that this program wrote; a torn last line is left out. No file, no objects.

    Raises:
        BadCheckpoint: another line is no JSON object.
    """
    objects = []
    for number, found in _lines(path):
        if isinstance(found, dict):
            objects.append(found)
        elif found != TORN:
            raise BadCheckpoint(
                f"{path}, line {number} is no JSON object; take the line out, or restore the file"
            )
    return objects


def parse_object(line: str | bytes) -> dict[str, Any] | str:
    """The object of a line, or why it is none."""
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return NOT_JSON if line[-1:] in ("\n", b"\n") else TORN
    return value if isinstance(value, dict) else NO_OBJECT


def _lines(path: Path) -> Iterator[tuple[int, dict[str, Any] | str]]:
    if not path.is_file():
        return
    with path.open(encoding="utf-8", errors="replace") as file:
        for number, line in enumerate(file, start=1):
            if line.strip():
                yield number, parse_object(line)
