# SPDX-License-Identifier: Apache-2.0
"""Temporary directories that a lock tells from those which a killed process has left.

The kernel lets a lock go when its owner ends, however that came. Whoever makes the next directory of a kind
removes those of that kind that nobody owns any more.
"""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

OWNER = "owner.lock"
"In such a directory; its owner holds a lock on it from before it has this name."

Remove = Callable[[Path], object]
_rmtree: Remove = partial(shutil.rmtree, ignore_errors=True)


@contextmanager
def scratch_directory(prefix: str, *, remove: Remove = _rmtree) -> Iterator[Path]:
    """A private directory with nothing but `OWNER` in it, gone when the block ends.

    Args:
        prefix: how the names of this kind begin; no other kind's does.
        remove: takes away such a directory with what was put there.
    """
    remove_left(prefix, remove=remove)
    place = Path(tempfile.mkdtemp(prefix=prefix)).resolve()
    try:
        owner = os.open(place / f".{OWNER}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(owner, fcntl.LOCK_EX)
            (place / f".{OWNER}").rename(place / OWNER)
            yield place
        finally:
            os.close(owner)
    finally:
        remove(place)


def remove_left(prefix: str, *, remove: Remove = _rmtree) -> None:
    """Remove directories of this user's whose owner has ended."""
    for place in Path(tempfile.gettempdir()).glob(f"{prefix}*"):
        with suppress(OSError):
            if place.lstat().st_uid == os.geteuid() and not place.is_symlink() and _is_left(place):
                remove(place)


def _is_left(place: Path) -> bool:
    """Whether there was an owner and is none; while one makes a directory there is none yet."""
    owner = os.open(place / OWNER, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(owner, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    else:
        return True
    finally:
        os.close(owner)
