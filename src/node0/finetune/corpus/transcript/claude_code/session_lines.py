# SPDX-License-Identifier: Apache-2.0
"""The JSON lines of a session file, streamed once and read again by where they stand."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

from node0.finetune.corpus.transcript.wire_messages import WireMessage, as_blocks
from node0.json_lines import parse_object

MAX_LINE = 24 << 20
"Bytes of the longest line that is read; with one rare letter in it, it takes nine times as much to read."


@dataclass(frozen=True, slots=True)
class ByteRange:
    """Where a line stands in its file."""

    offset: int
    size: int


class LineLoader:
    """Reads single lines of a file again."""

    def __init__(self, path: Path) -> None:
        self._file: BinaryIO = path.open("rb")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def line(self, place: ByteRange) -> dict[str, Any]:
        """The JSON object at a place that the index remembers."""
        self._file.seek(place.offset)
        content = json.loads(self._file.read(place.size))
        assert isinstance(content, dict)
        return content

    def message(self, place: ByteRange) -> WireMessage:
        """The message of the line at a place, with blocks as content."""
        message = self.line(place)["message"]
        return {"role": message["role"], "content": as_blocks(message["content"])}

    def merged(self, places: Iterable[ByteRange]) -> WireMessage:
        """One message of several lines."""
        messages = [self.message(place) for place in places]
        return {
            "role": messages[0]["role"],
            "content": [block for message in messages for block in message["content"]],
        }


def json_objects(path: Path, skipped: Counter[str]) -> Iterator[tuple[ByteRange, dict[str, Any]]]:
    """Every JSON object of a file, one a line; other lines are counted."""
    offset = 0
    with path.open("rb") as file:
        while raw := file.readline(MAX_LINE):
            place = ByteRange(offset, len(raw))
            offset += len(raw)
            if len(raw) == MAX_LINE and not raw.endswith(b"\n"):
                offset += _pass_line(file)
                skipped["line over 24 MB"] += 1
            elif raw.strip():
                found = parse_object(raw)
                if isinstance(found, str):
                    skipped[found] += 1
                else:
                    yield place, found
                del found


def _pass_line(file: BinaryIO) -> int:
    passed = 0
    while raw := file.readline(MAX_LINE):
        passed += len(raw)
        if raw.endswith(b"\n"):
            break
    return passed
