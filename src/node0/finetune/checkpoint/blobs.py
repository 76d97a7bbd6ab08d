# SPDX-License-Identifier: Apache-2.0
"""Blobs: files named by their sha256, downloaded from several sources, resumed where a download ended.

Any number of processes may fill one directory: who holds the lock on `{sha256}.part` fills it, the others
wait for it. A process that dies leaves its part, and the lock is free.
"""

import fcntl
import hashlib
import os
import shutil
import time
from collections.abc import Callable, Collection, Generator, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import BinaryIO

from node0.errors import BadCheckpoint, ConfigError, SwarmTimeout
from node0.files import open_to_append, private_directory, sha256_of

LOOK_EVERY = 0.05
_BLOCK = 1 << 20

Read = Callable[[int], Generator[bytes, None, None]]
"The bytes from an offset to the end, as they come."

Left = Callable[[], float]
"Seconds that are left; 0 or less ends the work."


class Blobs:
    """A directory of such files."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def path(self, sha256: str) -> Path:
        """Where a whole file lies."""
        return self.directory / f"{sha256}.safetensors"

    def find(self, sha256: str, size: int) -> Path | None:
        """The whole file, checked; one that has changed since is removed."""
        path = self.path(sha256)
        try:
            if path.stat().st_size == size and sha256_of(path) == sha256:
                return path
        except FileNotFoundError:
            return None
        path.unlink(missing_ok=True)
        return None

    def fill(self, sha256: str, size: int, *, read: Read, left: Left) -> Path:
        """Make the file whole, from what is here of it and what `read` gives.

        Raises:
            BadCheckpoint: `read` gives other bytes, or more; none of them is kept.
            SwarmTimeout: it ends early, or time is up; what came is kept.
            ConfigError: the disk has too little room.
        """
        private_directory(self.directory)
        part = self.directory / f"{sha256}.part"
        with self._locked(part, left) as file:
            found = self.find(sha256, size)
            if found is None:
                self._refuse_too_large(size - _size(file))
                # What an earlier source gave may be wrong: then this one is asked for all of it.
                if not _complete(file, sha256, size, read=read, left=left):
                    _complete(file, sha256, size, read=read, left=left)
                part.replace(self.path(sha256))
                return self.path(sha256)
            part.unlink()
            return found

    def prune(self, keep: Collection[str]) -> None:
        """Remove every file whose digest is not kept, unless it is being filled."""
        for path in self.directory.iterdir() if self.directory.is_dir() else ():
            if path.stem in keep:
                continue
            if path.suffix != ".part":
                path.unlink(missing_ok=True)
                continue
            with path.open("ab") as file:
                if _lock(file):
                    path.unlink(missing_ok=True)

    @contextmanager
    def _locked(self, part: Path, left: Left) -> Iterator[BinaryIO]:
        while True:
            with open_to_append(part) as file:
                if _lock(file) and _is_still(part, file):
                    yield file
                    return
            if left() <= 0:
                raise SwarmTimeout(f"another process fills {part}; wait for it")
            time.sleep(LOOK_EVERY)

    def _refuse_too_large(self, needed: int) -> None:
        free = shutil.disk_usage(self.directory).free
        if needed > free:
            raise ConfigError(
                f"a shard needs {needed} more bytes and {self.directory} has {free}; make room there"
            )


def _complete(file: BinaryIO, sha256: str, size: int, *, read: Read, left: Left) -> bool:
    """Append until the file is whole; False where it began with bytes of earlier and is another one now."""
    began, hasher = _begun(file, size)
    have = began
    if have < size:
        with closing(read(have)) as chunks:
            for chunk in chunks:
                have += len(chunk)
                if have > size:
                    file.truncate(0)
                    raise BadCheckpoint(f"more than the {size} bytes announced came for shard {sha256[:12]}")
                file.write(chunk)
                hasher.update(chunk)
                if have == size:
                    break
                if left() <= 0:
                    raise SwarmTimeout(f"time is up with {have} of {size} bytes of shard {sha256[:12]}")
    if have < size:
        raise SwarmTimeout(f"only {have} of {size} bytes came of shard {sha256[:12]}")
    file.flush()
    if hasher.hexdigest() == sha256:
        return True
    file.truncate(0)
    if began:
        return False
    raise BadCheckpoint(f"the bytes that came are not shard {sha256[:12]}: their digest is another")


def _begun(file: BinaryIO, size: int) -> tuple[int, "hashlib._Hash"]:
    """How much is here, and its digest so far; what is longer than it can be is dropped."""
    have, hasher = _size(file), hashlib.sha256()
    if have > size:
        file.truncate(0)
        return 0, hasher
    file.seek(0)
    while block := file.read(_BLOCK):
        hasher.update(block)
    return have, hasher


def _size(file: BinaryIO) -> int:
    return file.seek(0, 2)


def _lock(file: BinaryIO) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_still(path: Path, file: BinaryIO) -> bool:
    """Whether the file that was locked still lies there: who held the lock before may have renamed it."""
    try:
        return os.path.samestat(path.stat(), os.fstat(file.fileno()))
    except FileNotFoundError:
        return False
