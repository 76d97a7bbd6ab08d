# SPDX-License-Identifier: Apache-2.0
"""The JSON lines of a session file, streamed once and read again by where they stand."""

import json
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

from node0.documents.json_lines import parse_object
from node0.finetune.corpus.transcript.wire_messages import WireMessage, as_blocks

MENDED = "line of several objects, mended"
MAX_GLUED = 16
"Objects on one line that are looked for."

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
    """Every JSON object of a file with its place; what is none is counted.

    Writers put one object a line. Where one was cut off and the next wrote on behind it, or two wrote at
    once, a line holds several, or half of one before a whole one: the whole ones are read.
    """
    offset = 0
    heads: set[bytes] = set()
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
                    yield from _mended(raw, place.offset, heads, found, skipped)
                else:
                    heads.add(raw[: raw.find(b":")])
                    yield place, found
                del found


def _mended(
    raw: bytes, offset: int, heads: Collection[bytes], why: str, skipped: Counter[str]
) -> Iterator[tuple[ByteRange, dict[str, Any]]]:
    """The whole objects of a line that is not one object.

    Args:
        raw: The line.
        offset: Of the line in its file.
        heads: How the objects of the file begin, up to their first key.
        why: The line is no object; counted where nothing in it can be read.
    """
    found = list(_objects_in(raw, heads))
    if found:
        skipped[MENDED] += 1
    if sum(size for _, size, _ in found) < len(raw.strip()):
        skipped["torn object" if found else why] += 1
    for start, size, value in found:
        yield ByteRange(offset + start, size), value


def _objects_in(raw: bytes, heads: Collection[bytes]) -> Iterator[tuple[int, int, dict[str, Any]]]:
    """Where whole objects begin in a line, how many bytes each has, and each; torn ones are passed over."""
    begins = sorted({place for head in heads for place in _places(raw, head)} | {_first(raw)})
    end = 0
    for start in begins[:MAX_GLUED]:
        # What begins inside an object that was read is a part of it.
        stop = _end_of_value(raw, start) if start >= end else 0
        follows = raw[stop:].lstrip()[:1]
        if stop and follows in (b"", b"{") and isinstance(value := parse_object(raw[start:stop]), dict):
            yield start, stop - start, value
            end = stop


def _end_of_value(raw: bytes, start: int) -> int:
    """Behind the last byte of the JSON value that begins here; 0 where none does."""
    text = raw[start:].decode("utf-8", "surrogateescape")
    try:
        _, length = json.JSONDecoder().raw_decode(text)
    except (ValueError, RecursionError):
        return 0
    return start + len(text[:length].encode("utf-8", "surrogateescape"))


def _places(raw: bytes, head: bytes) -> Iterator[int]:
    at = raw.find(head)
    while at >= 0:
        yield at
        at = raw.find(head, at + 1)


def _first(raw: bytes) -> int:
    return len(raw) - len(raw.lstrip())


def _pass_line(file: BinaryIO) -> int:
    passed = 0
    while raw := file.readline(MAX_LINE):
        passed += len(raw)
        if raw.endswith(b"\n"):
            break
    return passed
