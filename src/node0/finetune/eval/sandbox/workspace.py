# SPDX-License-Identifier: Apache-2.0
"""A throwaway directory that a sandbox may write, read from outside without following a link.

What ran in it may have left links, pipes, directories without rights and thousands of them in one another.
So every path is opened step by step from the root, a link at any step is refused, only plain files are read,
and nothing here goes down further than `DEEPEST` directories.
"""

import contextlib
import errno
import logging
import os
import secrets
import stat
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from node0.usage.scratch import scratch_directory

FIRST_USER, USERS = 1_500_000_000, 500_000_000
"User numbers that no account has; a workspace of root's gets one of them."

LARGEST_READ = 4 << 20
"Bytes of a file that is read back."

DEEPEST = 64
"Directories in one another that are looked into."

REMOVE_SECONDS = 60
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC

logger = logging.getLogger(__name__)


class OutsideWorkspace(ValueError):
    """A path leads out of the workspace, or through a link."""


class Unmeasurable(Exception):
    """How much was written cannot be told, so it counts as more than any limit; the message says why."""


@dataclass(frozen=True)
class Workspace:
    """One directory, and the user who owns it in the sandbox."""

    root: Path
    user: int | None
    "A number of its own for each workspace, where root may give it away."

    scaffold: Path
    "A directory beside it, for what a backend must put on a disk; never seen inside as it is."

    def write(self, path: str, text: str, *, mode: int = 0o644) -> None:
        """Write a file, and make its directories.

        Raises:
            OutsideWorkspace: the path leads out, or a part of it is a link or no directory.
        """
        *above, name = _steps(path)
        with self._directory(above, make=True) as place:
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            try:
                handle = os.open(name, flags, mode, dir_fd=place)
            except OSError as error:
                raise OutsideWorkspace(f"{path}: {error.strerror}") from None
            with os.fdopen(handle, "wb") as file:
                _must_be_plain(handle, path)
                file.write(text.encode("utf-8", errors="surrogatepass"))
                self._own(handle)

    def read(self, path: str) -> str | None:
        """A file's text; None where there is no plain file, or it is reached through a link."""
        try:
            *above, name = _steps(path)
            with self._directory(above) as place:
                flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
                handle = os.open(name, flags, dir_fd=place)
                with os.fdopen(handle, "rb") as file:
                    _must_be_plain(handle, path)
                    return file.read(LARGEST_READ).decode("utf-8", errors="replace")
        except (OutsideWorkspace, OSError):
            return None

    def fill(self, files: Mapping[str, str]) -> None:
        """Write several files."""
        for path, text in files.items():
            self.write(path, text)

    def size(self) -> tuple[int, int]:
        """Bytes on the disk, and number of files and directories; links are not followed.

        Raises:
            Unmeasurable: a directory cannot be read, or lies below more than `DEEPEST` others.
        """
        handle = _opened(str(self.root))
        return (0, 0) if handle is None else _size(handle, above=0)

    @contextlib.contextmanager
    def _directory(self, steps: list[str], *, make: bool = False) -> Iterator[int]:
        """A handle on a directory, reached without a link."""
        try:
            handle = os.open(self.root, _DIRECTORY)
        except OSError as error:
            raise OutsideWorkspace(f"{self.root}: {error.strerror}") from None
        try:
            for step in steps:
                below = self._step(handle, step, make=make)
                os.close(handle)
                handle = below
            yield handle
        finally:
            os.close(handle)

    def _step(self, handle: int, name: str, *, make: bool) -> int:
        try:
            if make:
                with contextlib.suppress(FileExistsError):
                    os.mkdir(name, 0o755, dir_fd=handle)
            below = os.open(name, _DIRECTORY, dir_fd=handle)
        except OSError as error:
            raise OutsideWorkspace(f"{name}: {error.strerror}") from None
        if make:
            self._own(below)
        return below

    def _own(self, handle: int) -> None:
        if self.user is not None:
            os.fchown(handle, self.user, self.user)


@contextlib.contextmanager
def open_workspace(*, own_user: bool) -> Iterator[Workspace]:
    """An empty workspace, gone when the block ends; `own_user`: another user than this process owns it."""
    with scratch_directory("node0-sandbox-", remove=_remove) as above:
        root, scaffold = above / "work", above / "root"
        root.mkdir(mode=0o700)
        scaffold.mkdir(mode=0o755)
        user = FIRST_USER + secrets.randbelow(USERS) if own_user else None
        if user is not None:
            os.chown(root, user, user)
        yield Workspace(root, user, scaffold)


def _steps(path: str) -> list[str]:
    """The parts of a path below the workspace; `/workspace/a` and `a` are the same file."""
    pure = PurePosixPath(path)
    if pure.is_absolute() and pure.is_relative_to("/workspace"):
        pure = pure.relative_to("/workspace")
    if pure.is_absolute() or ".." in pure.parts or not pure.parts or not _can_be_a_name(path):
        raise OutsideWorkspace(f"{path!r} is not below /workspace")
    return list(pure.parts)


def _can_be_a_name(path: str) -> bool:
    """Whether a file system can hold it: no null byte, no half of a surrogate pair."""
    return "\0" not in path and not any("\ud800" <= letter <= "\udfff" for letter in path)


def _must_be_plain(handle: int, path: str) -> None:
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        raise OutsideWorkspace(f"{path}: not a plain file")


def _opened(name: str, *, above: int | None = None) -> int | None:
    """A handle on a directory; None where there is none, or something else took its place."""
    try:
        return os.open(name, _DIRECTORY, dir_fd=above)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
            return None
        raise Unmeasurable(f"a directory cannot be read: {error.strerror}") from None


def _size(handle: int, *, above: int) -> tuple[int, int]:
    """Bytes and number of all below a directory that lies below so many others; closes the handle."""
    total = count = 0
    try:
        for name in os.listdir(handle):
            with contextlib.suppress(FileNotFoundError):
                status = os.stat(name, dir_fd=handle, follow_symlinks=False)
                total, count = total + 512 * status.st_blocks, count + 1
                if stat.S_ISDIR(status.st_mode):
                    inside = _size_of_directory(name, handle, above=above + 1)
                    total, count = total + inside[0], count + inside[1]
    except OSError as error:
        raise Unmeasurable(f"a directory cannot be read: {error.strerror}") from None
    finally:
        os.close(handle)
    return total, count


def _size_of_directory(name: str, handle: int, *, above: int) -> tuple[int, int]:
    if above > DEEPEST:
        raise Unmeasurable(f"more than {DEEPEST} directories lie in one another")
    below = _opened(name, above=handle)
    return (0, 0) if below is None else _size(below, above=above)


def _remove(above: Path) -> None:
    """Remove all of it, whatever rights a command took away and however deep it lies."""
    told = ""
    for command in (["rm", "-rf"], ["chmod", "-R", "u+rwX"], ["rm", "-rf"]):
        if above.exists():
            told = _complaint([*command, "--", str(above)])
    if above.exists():
        logger.warning("%s is left: %s; remove it by hand", above, told[:200])


def _complaint(command: list[str]) -> str:
    """Run a command, and say what it said of failing."""
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=REMOVE_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return done.stderr.decode(errors="replace").strip()
