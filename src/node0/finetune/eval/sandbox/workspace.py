# SPDX-License-Identifier: Apache-2.0
"""A throwaway directory that a sandbox may write, read from outside without following a link.

What ran in it may have left links, pipes and directories without rights. So every path is opened step by
step from the root, a link at any step is refused, and only plain files are read.
"""

import contextlib
import os
import secrets
import shutil
import stat
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

FIRST_USER, USERS = 1_500_000_000, 500_000_000
"User numbers that no account has; a workspace of root's gets one of them."

LARGEST_READ = 4 << 20
"Bytes of a file that is read back."


class OutsideWorkspace(ValueError):
    """A path leads out of the workspace, or through a link."""


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
        """Bytes on the disk, and number of files and directories; links are not followed."""
        total = count = 0
        for _, directories, files, handle in os.fwalk(self.root, onerror=None, follow_symlinks=False):
            for name in (*directories, *files):
                count += 1
                with contextlib.suppress(OSError):
                    total += 512 * os.stat(name, dir_fd=handle, follow_symlinks=False).st_blocks
        return total, count

    @contextlib.contextmanager
    def _directory(self, steps: list[str], *, make: bool = False) -> Iterator[int]:
        """A handle on a directory, reached without a link."""
        handle = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            for step in steps:
                below = self._step(handle, step, make=make)
                os.close(handle)
                handle = below
            yield handle
        finally:
            os.close(handle)

    def _step(self, handle: int, name: str, *, make: bool) -> int:
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            if make:
                with contextlib.suppress(FileExistsError):
                    os.mkdir(name, 0o755, dir_fd=handle)
            below = os.open(name, flags, dir_fd=handle)
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
    above = Path(tempfile.mkdtemp(prefix="node0-sandbox-")).resolve()
    root, scaffold = above / "work", above / "root"
    try:
        root.mkdir(mode=0o700)
        scaffold.mkdir(mode=0o755)
        user = FIRST_USER + secrets.randbelow(USERS) if own_user else None
        if user is not None:
            os.chown(root, user, user)
        yield Workspace(root, user, scaffold)
    finally:
        shutil.rmtree(above, onerror=_unlock)


def _steps(path: str) -> list[str]:
    """The parts of a path below the workspace; `/workspace/a` and `a` are the same file."""
    pure = PurePosixPath(path)
    if pure.is_absolute() and pure.is_relative_to("/workspace"):
        pure = pure.relative_to("/workspace")
    if pure.is_absolute() or ".." in pure.parts or not pure.parts or "\0" in path:
        raise OutsideWorkspace(f"{path!r} is not below /workspace")
    return list(pure.parts)


def _must_be_plain(handle: int, path: str) -> None:
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        raise OutsideWorkspace(f"{path}: not a plain file")


def _unlock(function: object, path: str, error: object) -> None:
    """Give rights back where a command took them away, and try once more; what is left is no one's."""
    with contextlib.suppress(OSError):
        Path(path).parent.chmod(0o700)
        if Path(path).is_dir() and not Path(path).is_symlink():
            Path(path).chmod(0o700)
            shutil.rmtree(path, ignore_errors=True)
        else:
            Path(path).unlink()
