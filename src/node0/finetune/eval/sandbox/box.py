# SPDX-License-Identifier: Apache-2.0
"""What a backend of the sandbox is given, and what it must be able to do."""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from node0.errors import SandboxUnavailable
from node0.finetune.eval.sandbox.limits import SandboxLimits
from node0.finetune.eval.sandbox.workspace import Workspace

WORK = "/workspace"
"Where the workspace lies inside; commands start there."

LAUNCHER = "/run/node0/launcher.py"
PROGRAMS = "/run/node0/programs"
"Programs that a caller puts on PATH."

_OF_INTERPRETER = ("bin", "lib", "lib64")
"Where an interpreter has its program and its libraries; nothing else beside them is mounted."

NOBODY = 65534
ENVIRONMENT = {
    "HOME": "/tmp",
    "TMPDIR": "/tmp",
    "LANG": "C.UTF-8",
    "LC_ALL": "C.UTF-8",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONHASHSEED": "0",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_TERMINAL_PROMPT": "0",
    "TZ": "UTC",
}
"What a command sees of an environment, beside PATH."


@dataclass(frozen=True)
class Box:
    """One run: where, within which limits, with which further programs."""

    name: str
    workspace: Workspace
    limits: SandboxLimits
    programs: Path | None = None
    "A directory whose files are on PATH, read-only."

    environment: Mapping[str, str] = field(default_factory=dict)
    bounds_all_memory: bool = False
    "Whether something outside bounds the memory of all processes together."

    @property
    def variables(self) -> dict[str, str]:
        """The environment inside."""
        path = f"{PROGRAMS}:{interpreter().parent}:/usr/local/bin:/usr/bin:/bin"
        return ENVIRONMENT | {"PATH": path} | dict(self.environment)


class Backend(Protocol):
    """A program that makes sandboxes."""

    @property
    def name(self) -> str:
        """What a person calls it."""

    @property
    def changes_user(self) -> bool:
        """Whether commands run as another user than this process, who then owns the workspace."""

    @property
    def environment(self) -> dict[str, str]:
        """What the command line itself is started with, beside PATH."""

    def command(self, box: Box, inner: Sequence[str]) -> list[str]:
        """The command line that runs `inner` in a box."""

    def end(self, box: Box) -> None:
        """End what killing the command line leaves running."""


def launched(box: Box, inner: Sequence[str], *, user: int | None) -> list[str]:
    """`inner` behind the launcher, which sets limits and, where given, the user."""
    asked = {"uid": user, "directory": WORK, "limits": _resource_limits(box)}
    return [str(interpreter()), "-I", "-S", LAUNCHER, json.dumps(asked), *inner]


def interpreter() -> Path:
    """This interpreter itself, not the link to it in a virtual environment."""
    return Path(sys.executable).resolve()


def read_only(box: Box) -> dict[Path, str]:
    """What is mounted read-only beside the system: place outside to place inside.

    The interpreter stays at its place, which may be below a home: it finds its libraries by that. Of the
    home nothing else is there.

    Raises:
        SandboxUnavailable: the interpreter's directories are those of a home, or of the whole machine.
    """
    found = _interpreter_mounts()
    found[launcher_file()] = LAUNCHER
    return found if box.programs is None else found | {box.programs: PROGRAMS}


def launcher_file() -> Path:
    """The launcher, as a file to mount."""
    return Path(__file__).with_name("launcher.py").resolve()


def _interpreter_mounts() -> dict[Path, str]:
    root = interpreter().parent.parent
    if root.is_relative_to("/usr"):
        return {}
    if root == Path("/") or Path.home().resolve().is_relative_to(root):
        raise SandboxUnavailable(
            f"no sandbox is made of {interpreter()}: the files beside it are a person's or the machine's; "
            "run node0 by an interpreter below /usr or in a directory of its own"
        )
    return {place: str(place) for name in _OF_INTERPRETER if (place := root / name).is_dir()}


def _resource_limits(box: Box) -> dict[str, int]:
    limits = box.limits
    found = {
        "RLIMIT_CPU": int(limits.seconds) + 1,
        "RLIMIT_FSIZE": limits.disk,
        "RLIMIT_NPROC": limits.processes,
        "RLIMIT_NOFILE": 256,
        "RLIMIT_CORE": 0,
        "RLIMIT_MEMLOCK": 0,
        "RLIMIT_AS": limits.memory,
    }
    if box.bounds_all_memory:
        # Address space is not memory: with the better bound there, threads and maps may have more of it.
        found["RLIMIT_AS"] = 8 * limits.memory
    return found
