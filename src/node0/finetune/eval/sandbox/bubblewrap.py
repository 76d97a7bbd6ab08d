# SPDX-License-Identifier: Apache-2.0
"""Sandboxes by bubblewrap: name spaces of their own, /usr read-only, nothing else of this machine.

Started by root, no user name space is made: the command gets the workspace's own user number and loses
every capability, so that no file of the machine is its own; a user name space of its own it can make, where
the kernel lets users do so. Started by anybody else, it keeps that user's number inside a user name space, in
which no further one can be made where bubblewrap can forbid it (0.8; it can so only in one that it made).
"""

import functools
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from node0.finetune.eval.sandbox.box import NOBODY, WORK, Box, launched, read_only

PROBE_SECONDS = 10
_LINKED = ("/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
_NAME_SPACES = ("--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try")
_ETC = ("/etc/ld.so.cache", "/etc/alternatives")
"What programs below /usr need to be found; nothing in it tells of the machine's people."


@dataclass(frozen=True)
class Bubblewrap:
    """The program `bwrap` at a path."""

    program: str
    as_root: bool
    name: str = "bubblewrap"

    @property
    def changes_user(self) -> bool:
        """Only where root started it."""
        return self.as_root

    @property
    def environment(self) -> dict[str, str]:
        """Nothing: what bubblewrap was started with could be read inside, from the first process."""
        return {}

    def command(self, box: Box, inner: Sequence[str]) -> list[str]:
        """The command line that runs `inner` in a box."""
        user = box.workspace.user if self.as_root else None
        return [
            self.program,
            *_NAME_SPACES,
            *(("--cap-drop", "ALL", *_CHANGE_USER) if self.as_root else self._user_name_space()),
            *("--die-with-parent", "--new-session", "--hostname", "sandbox", "--clearenv"),
            *(word for name, value in box.variables.items() for word in ("--setenv", name, value)),
            *_file_system(box),
            "--",
            *launched(box, inner, user=user),
        ]

    def end(self, box: Box) -> None:
        """Nothing: the name space of processes ends with the command line."""

    def _user_name_space(self) -> list[str]:
        flags = ["--unshare-user", "--uid", str(NOBODY), "--gid", str(NOBODY), "--cap-drop", "ALL"]
        return [*flags, "--disable-userns"] if _can(self.program, "--disable-userns") else flags


_CHANGE_USER = ("--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID")
"What the launcher needs; they are gone once it has changed the user."


def _file_system(box: Box) -> list[str]:
    """Mounts, in order; the last ones close the directories that bubblewrap makes."""
    size = str(box.limits.disk)
    words = ["--ro-bind", "/usr", "/usr"]
    for place in map(Path, _LINKED):
        if place.is_symlink():
            words += ["--symlink", str(place.readlink()), str(place)]
        elif place.is_dir():
            words += ["--ro-bind", str(place), str(place)]
    mounts = {Path(path): path for path in _ETC} | read_only(box)
    for above in sorted({above for inside in mounts.values() for above in Path(inside).parents[:-1]}):
        # Made without being told to, it would be closed to another user than its maker.
        words += ["--perms", "0755", "--dir", str(above)]
    for outside, inside in mounts.items():
        words += ["--ro-bind-try", str(outside), inside]
    words += ["--proc", "/proc", "--dev", "/dev", "--perms", "1777", "--size", size, "--tmpfs", "/tmp"]
    words += ["--bind", str(box.workspace.root), WORK]
    return [*words, "--remount-ro", "/dev", "--remount-ro", "/"]


@functools.cache
def _can(program: str, flag: str) -> bool:
    done = subprocess.run([program, "--help"], capture_output=True, timeout=PROBE_SECONDS, check=False)
    return flag.encode() in done.stdout + done.stderr
