# SPDX-License-Identifier: Apache-2.0
"""Sandboxes by podman, of this machine's own /usr: no image is needed, so none is fetched."""

import contextlib
import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from node0.finetune.eval.sandbox.box import NOBODY, WORK, Box, launched, read_only

END_SECONDS = 20
_LINKED = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
_EMPTY = ("usr", "opt", "proc", "dev", "sys", "etc", "run", "tmp", "workspace")


@dataclass(frozen=True)
class Podman:
    """The program `podman` at a path."""

    program: str
    name: str = "podman"

    @property
    def changes_user(self) -> bool:
        """Only where root started it."""
        return os.geteuid() == 0

    @property
    def environment(self) -> dict[str, str]:
        """What the client itself needs; nothing of it is seen inside."""
        runtime = Path(f"/run/user/{os.getuid()}")
        return {"HOME": str(Path.home())} | ({"XDG_RUNTIME_DIR": str(runtime)} if runtime.is_dir() else {})

    def command(self, box: Box, inner: Sequence[str]) -> list[str]:
        """The command line that runs `inner` in a box."""
        limits = box.limits
        user = NOBODY if box.workspace.user is None else box.workspace.user
        # Without root the workspace is this user's, who is called nobody inside.
        names = () if box.workspace.user is not None else (f"--userns=keep-id:uid={NOBODY},gid={NOBODY}",)
        return [
            *(self.program, "run", "--rm", "--name", box.name, "--network", "none", "--read-only"),
            *("--cap-drop", "all", "--security-opt", "no-new-privileges", "--hostname", "sandbox"),
            *("--pids-limit", str(limits.processes), "--memory", str(limits.memory)),
            *("--ulimit", "nofile=256:256", "--ulimit", f"nproc={limits.processes}:{limits.processes}"),
            *(*names, "--user", f"{user}:{user}", "--workdir", WORK, "--unsetenv-all"),
            *(word for name, value in box.variables.items() for word in ("--env", f"{name}={value}")),
            *("--tmpfs", f"/tmp:rw,mode=1777,size={limits.disk}", "--shm-size", "1m"),
            *_volumes(box),
            *("--rootfs", str(_root(box))),
            *launched(box, inner, user=None),
        ]

    def end(self, box: Box) -> None:
        """End the container, which outlives the command line."""
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            subprocess.run(
                [self.program, "rm", "--force", "--time", "0", box.name],
                capture_output=True,
                timeout=END_SECONDS,
                check=False,
                env={"PATH": "/usr/local/bin:/usr/bin:/bin", **self.environment},
            )


def _volumes(box: Box) -> list[str]:
    words = ["--volume", f"{box.workspace.root}:{WORK}:rw", "--volume", "/usr:/usr:ro"]
    for outside, inside in read_only(box).items():
        words += ["--volume", f"{outside}:{inside}:ro"]
    return words


def _root(box: Box) -> Path:
    """A root directory of links into /usr, beside the workspace and gone with it."""
    root = box.workspace.scaffold
    for name in _EMPTY:
        (root / name).mkdir(exist_ok=True)
    for name in _LINKED:
        place = Path("/") / name
        if place.is_symlink() and not (root / name).is_symlink():
            (root / name).symlink_to(place.readlink())
    return root
