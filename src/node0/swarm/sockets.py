# SPDX-License-Identifier: Apache-2.0
"""Where a peer's unix sockets lie: in a directory of its own, removed at exit."""

import hashlib
import os
import shutil
import tempfile
from pathlib import Path

from node0.errors import ConfigError

OWNER_NAME = "owner.pid"

LONGEST = 60
"Bytes of a directory that leave room for a socket's name: the kernel takes 107 in all."


def socket_directory(run_dir: Path, member: str) -> Path:
    """The directory of one member: inside the run, or in the temporary folder where that is too deep."""
    inside = run_dir.resolve() / ".sockets" / member
    if len(os.fsencode(inside)) <= LONGEST:
        return inside
    digest = hashlib.sha256(os.fsencode(run_dir.resolve())).hexdigest()[:12]
    return Path(tempfile.gettempdir()).resolve() / f"node0-{digest}" / member


def claim(directory: Path) -> None:
    """Make the directory ours, and private; what a dead owner left in it is removed.

    Raises:
        ConfigError: a living process owns it.
    """
    owner = owner_of(directory)
    if owner is not None and is_alive(owner):
        raise ConfigError(f"process {owner} already runs with {directory}; stop it, or start another member")
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True, mode=0o700)
    (directory / OWNER_NAME).write_text(f"{os.getpid()}\n", encoding="ascii")


def release(directory: Path) -> None:
    """Remove the directory, and the run's directory of sockets when this was the last."""
    shutil.rmtree(directory, ignore_errors=True)
    if directory.parent.is_dir() and not any(directory.parent.iterdir()):
        shutil.rmtree(directory.parent, ignore_errors=True)


def owner_of(directory: Path) -> int | None:
    """The process that claimed the directory; None where nobody did."""
    try:
        return int((directory / OWNER_NAME).read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None


def is_alive(pid: int) -> bool:
    """Whether a process of this number runs here."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
