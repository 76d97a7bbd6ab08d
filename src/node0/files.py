# SPDX-License-Identifier: Apache-2.0
"""Write files and directories atomically, readable by their owner alone.

What this program writes holds a town's words, or weights that learned them. So a file gets mode 0600 and a
directory 0700, whatever the umask says, and wider rights of an older one are taken away when it is written
to. Only a file that is not ours alone (`shared`) keeps the rights that it has.
"""

import contextlib
import fcntl
import hashlib
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, BinaryIO, Literal

from node0.errors import ConfigError

PRIVATE_FILE = 0o600
PRIVATE_DIRECTORY = 0o700
SHARED_FILE = 0o644
"A new file that other programs, or other people, read too."

_OTHERS = 0o077


def write_atomically(path: Path, text: str, *, shared: bool = False) -> None:
    """Write a whole file or nothing: temporary file beside it, fsync, rename.

    shared: other programs own the file too; it keeps its rights, and a new one can be read by all. A link
        stays one, and the file that it leads to is written.
    """
    path = path.resolve() if shared else path
    with whole_file(path, mode=_shared_mode(path) if shared else PRIVATE_FILE) as file:
        file.write(text)


@contextlib.contextmanager
def whole_file(path: Path, *, mode: int = PRIVATE_FILE) -> Iterator[IO[str]]:
    """A text file to write piece by piece; it takes its place when the block ends, and only then."""
    with whole_path(path, mode=mode) as beside, beside.open("w", encoding="utf-8") as file:
        yield file


@contextlib.contextmanager
def whole_path(path: Path, *, mode: int = PRIVATE_FILE) -> Iterator[Path]:
    """An empty file for a library to fill; it takes its place when the block ends, and only then."""
    make_directory(path.parent)
    beside = _file_beside(path)
    try:
        yield beside
        beside.chmod(mode)
        _sync(beside)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


@contextlib.contextmanager
def whole_directory(
    path: Path, *, existing: Literal["replace", "keep", "refuse"] = "replace"
) -> Iterator[Path]:
    """A directory to fill; it takes its place when the block ends, and only then.

    existing: what becomes of one that is there by then and not empty. `keep` drops the new one;
        `refuse` raises the `OSError` of the rename.
    """
    make_directory(path.parent)
    beside = _directory_beside(path)
    try:
        yield beside
        if existing == "replace":
            _move_away(path, beside)
        _rename(beside, path, keep=existing == "keep")
    finally:
        shutil.rmtree(beside, ignore_errors=True)


@contextlib.contextmanager
def whole_output(path: Path) -> Iterator[Path]:
    """A place for a new file or directory, which becomes `path` when the block ends, and only then.

    Raises:
        ConfigError: something is at `path` already.
    """
    if path.exists():
        raise ConfigError(f"{path} is there already; choose another place, or remove it")
    make_directory(path.parent)
    beside = _directory_beside(path)
    try:
        place = beside / path.name
        yield place
        for made in [place, *place.rglob("*")]:
            made.chmod(PRIVATE_DIRECTORY if made.is_dir() else PRIVATE_FILE)
        place.rename(path)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def copy_file(source: Path, target: Path) -> None:
    """Copy the bytes of a file, for the owner alone, and wait until they are on the disk."""
    make_directory(target.parent)
    shutil.copyfile(source, target)
    target.chmod(PRIVATE_FILE)
    _sync(target)


def open_to_append(path: Path) -> BinaryIO:
    """A file, made where it is missing, that can be read anywhere and is written at its end."""
    make_directory(path.parent)
    handle = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, PRIVATE_FILE)
    narrow(handle)
    return os.fdopen(handle, "a+b")


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock on `path`, a file of no other use, while the block runs; others wait."""
    with open_to_append(path) as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def try_locked(path: Path, *, busy: Exception) -> Iterator[None]:
    """As `locked`, for whoever would rather be told than wait: raises `busy` where another holds it.

    Whoever holds it may remove the file: a lock on what was removed meanwhile is none.
    """
    with open_to_append(path) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise busy from None
        if not _is_at(path, file):
            raise busy
        yield


def is_locked(path: Path) -> bool:
    """Whether a process holds the lock on `path`, a file that is there. Nothing is written."""
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _is_at(path: Path, file: IO[bytes]) -> bool:
    """Whether an open file is the one that its path leads to now."""
    opened = os.fstat(file.fileno())
    try:
        there = path.stat()
    except FileNotFoundError:
        return False
    return (there.st_dev, there.st_ino) == (opened.st_dev, opened.st_ino)


def existing_parent(path: Path) -> Path:
    """The path, or the nearest one above it that is there."""
    return next(place for place in (path, *path.absolute().parents) if place.exists())


def free_disk(path: Path) -> int:
    """Bytes that this user may still write where `path` lies or will lie."""
    return shutil.disk_usage(existing_parent(path)).free


def make_directory(path: Path) -> None:
    """Make what is missing of `path`, for the owner alone; what is there stays as it is."""
    for place in reversed([path, *path.parents]):
        # A shared parent may forbid looking into it and still be passed through.
        if not place.is_dir():
            place.mkdir(mode=PRIVATE_DIRECTORY, exist_ok=True)


def private_directory(path: Path) -> Path:
    """The directory, made where it is missing, and taken from everybody but its owner."""
    make_directory(path)
    narrow(path)
    return path


def narrow(file: Path | int) -> None:
    """Take the rights of group and others from a path or an open file, where it is ours to do.

    A place like /tmp stays shared.
    """
    found = os.stat(file)  # noqa: PTH116  # an open file has no Path
    if found.st_mode & _OTHERS and found.st_uid == os.geteuid() and not found.st_mode & stat.S_ISVTX:
        os.chmod(file, stat.S_IMODE(found.st_mode) & ~_OTHERS)  # noqa: PTH101  # as above


def sha256_of(path: Path) -> str:
    """The sha256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _shared_mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode) if path.exists() else SHARED_FILE


def _file_beside(path: Path) -> Path:
    """A new file beside it; an error names the file that was wanted."""
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    except OSError as error:
        error.filename = str(path)
        raise
    os.close(handle)
    return Path(name)


def _directory_beside(path: Path) -> Path:
    """A new directory beside it; an error names the directory that was wanted."""
    try:
        return Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part"))
    except OSError as error:
        error.filename = str(path)
        raise


def _move_away(path: Path, beside: Path) -> None:
    if path.is_dir():
        old = beside.with_name(f"{beside.name}.old")
        path.rename(old)
        shutil.rmtree(old, ignore_errors=True)


def _rename(beside: Path, path: Path, *, keep: bool) -> None:
    try:
        beside.rename(path)
    except OSError:
        if not (keep and path.is_dir()):
            raise


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
