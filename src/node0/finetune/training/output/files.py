# SPDX-License-Identifier: Apache-2.0
"""Whole files only: written beside their place, then renamed into it."""

import hashlib
import json
import shutil
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from node0.errors import BadCheckpoint
from node0.files import write_atomically

BLOCK = 1 << 20


def write_json_lines(path: Path, records: Iterable[Mapping[str, Any]]) -> None:
    """Replace `path` by one JSON object a line, keys in their order."""
    write_atomically(path, "".join(f"{json.dumps(record, ensure_ascii=False)}\n" for record in records))


def read_json_lines(path: Path) -> list[dict[str, Any]]:
    """Every complete line of `path`; a last line cut short by a crash is left out.

    Raises `BadCheckpoint` for another line that is no JSON object.
    """
    if not path.is_file():
        return []
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True)
    return [
        _object(path, number, line)
        for number, line in enumerate(lines, start=1)
        if line.endswith("\n") and line.strip()
    ]


def _object(path: Path, number: int, line: str) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise BadCheckpoint(
            f"{path}, line {number} is no JSON object; take the line out, or restore the file"
        )
    return value


def write_directory(path: Path, fill: Callable[[Path], None]) -> None:
    """Let `fill` write a directory beside `path`, then put it in its place."""
    beside = path.with_name(f".{path.name}.new")
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir(parents=True)
    fill(beside)
    shutil.rmtree(path, ignore_errors=True)
    beside.replace(path)


def sha256_of(path: Path) -> str:
    """The file's sha256, in hex."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()
