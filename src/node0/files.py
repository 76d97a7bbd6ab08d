# SPDX-License-Identifier: Apache-2.0
"""Whole files or nothing."""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO


def write_atomically(path: Path, text: str) -> None:
    """Write a whole file or nothing: temporary file beside it, fsync, rename."""
    with whole_file(path, mode=path.stat().st_mode & 0o777 if path.exists() else 0o644) as file:
        file.write(text)


@contextlib.contextmanager
def whole_file(path: Path, *, mode: int) -> Iterator[IO[str]]:
    """A file to write piece by piece; it takes its place when the block ends, and only then."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = _part_of(path)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            os.fchmod(handle, mode)
            yield file
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _part_of(path: Path) -> tuple[int, str]:
    """A new file beside it, open; an error names the file that was wanted."""
    try:
        return tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    except OSError as error:
        error.filename = str(path)
        raise
