# SPDX-License-Identifier: Apache-2.0
"""`SandboxRunner`: run what a model proposes, contained: no network, no home, bounded, wholly ended.

bubblewrap comes first, podman second; where neither works nothing is run at all.
"""

import contextlib
import itertools
import logging
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from node0.errors import SandboxUnavailable
from node0.finetune.eval.sandbox.box import Backend, Box
from node0.finetune.eval.sandbox.bubblewrap import Bubblewrap
from node0.finetune.eval.sandbox.cgroup import control_groups
from node0.finetune.eval.sandbox.limits import SandboxLimits
from node0.finetune.eval.sandbox.podman import Podman
from node0.finetune.eval.sandbox.watched import Watched, watch
from node0.finetune.eval.sandbox.workspace import Workspace, open_workspace

logger = logging.getLogger(__name__)
_NUMBERS = itertools.count(1)
_JOIN = 'n=$1; shift; while [ "$n" -gt 0 ]; do echo $$ > "$1" || exit 125; shift; n=$((n-1)); done; exec "$@"'
"Join the groups whose doors come first, then become the command."

_TRIAL = "echo here > /workspace/trial && cp /workspace/trial /tmp/trial && cat /tmp/trial"
"What must work: a container without its capabilities may find that it cannot write."


@dataclass(frozen=True)
class SandboxResult:
    """What a command did in the sandbox."""

    exit_code: int
    "Its own; 128 and more, or below 0, where a signal ended it."

    stdout: str
    stderr: str
    seconds: float
    stopped: tuple[str, ...] = ()
    "Limits that it ran into, for a person; empty where it kept within all."

    @property
    def succeeded(self) -> bool:
        """Whether it ended by itself, with exit code 0."""
        return self.exit_code == 0 and not self.stopped

    @property
    def why(self) -> str:
        """In one line how it ended."""
        if self.stopped:
            return "; ".join(self.stopped)
        last = (self.stderr.strip() or self.stdout.strip()).splitlines()[-1:]
        return f"exit code {self.exit_code}" + (f": {last[0][:200]}" if last else "")


@dataclass(frozen=True)
class SandboxRunner:
    """Runs commands by one backend. Safe to use from several threads."""

    backend: Backend
    limits: SandboxLimits = field(default_factory=SandboxLimits)

    def workspace(self) -> contextlib.AbstractContextManager[Workspace]:
        """A throwaway directory for runs, gone when the block ends."""
        return open_workspace(own_user=self.backend.changes_user)

    def run(
        self,
        command: Sequence[str],
        workspace: Workspace,
        *,
        stdin: str = "",
        programs: Path | None = None,
        environment: Mapping[str, str] | None = None,
        limits: SandboxLimits | None = None,
    ) -> SandboxResult:
        """Run a command in a workspace, where it finds what earlier ones left, but none of their processes.

        Args:
            programs: a directory whose files are put on PATH.
            environment: variables beside the few that are always there.
            limits: instead of this runner's.
        """
        bounds = limits or self.limits
        with control_groups(bounds) as groups:
            box = Box(
                f"node0-{os.getpid()}-{next(_NUMBERS)}",
                workspace,
                bounds,
                programs,
                environment or {},
                groups.binds_memory,
            )
            line = _joined(groups.doors, self.backend.command(box, command))
            seen = watch(
                line,
                workspace=workspace,
                limits=bounds,
                stdin=stdin.encode(),
                environment=self.backend.environment,
                end=lambda: self.backend.end(box),
            )
            return _result(seen, groups.refusals())


def find_sandbox(*, limits: SandboxLimits | None = None, search_path: str | None = None) -> SandboxRunner:
    """The first backend that works on this machine.

    Args:
        search_path: directories to look for programs in, as PATH has them; PATH itself by default.

    Raises:
        SandboxUnavailable: there is none; the message says what is missing or failed.
    """
    reasons: list[str] = []
    for backend in _backends(search_path, reasons):
        runner = SandboxRunner(backend, limits or SandboxLimits())
        if (reason := _failure(runner)) is None:
            _warn_of_memory(runner)
            return runner
        reasons.append(f"{backend.name} fails here: {reason}")
    raise SandboxUnavailable(
        f"what a model proposes is run in a sandbox only, and none works: {'; '.join(reasons)}. "
        "Install bubblewrap (apt-get install bubblewrap) or podman"
    )


def _backends(search_path: str | None, reasons: list[str]) -> Iterator[Backend]:
    if (program := shutil.which("bwrap", path=search_path)) is None:
        reasons.append("bubblewrap is not installed")
    else:
        # In a user name space root's number would still own what is writable below /proc/sys.
        yield Bubblewrap(program, as_root=os.geteuid() == 0)
    if (program := shutil.which("podman", path=search_path)) is None:
        reasons.append("podman is not installed")
    else:
        yield Podman(program)


def _failure(runner: SandboxRunner) -> str | None:
    """Why nothing can be run; None where a trial run works."""
    try:
        with runner.workspace() as workspace:
            done = runner.run(["sh", "-c", _TRIAL], workspace)
    except OSError as error:
        return f"{error.strerror}"
    return None if done.succeeded and done.stdout == "here\n" else done.why


def _warn_of_memory(runner: SandboxRunner) -> None:
    """Say so where memory of all processes together is not bounded; podman makes its own group."""
    with control_groups(runner.limits) as groups:
        if not groups.binds_memory and isinstance(runner.backend, Bubblewrap):
            logger.warning(
                "no memory cgroup can be made here: in the sandbox only each process's address space is "
                "bounded, and memory files (memfd) are not; run the suite in a container that has a limit"
            )


def _joined(doors: Sequence[str], command: Sequence[str]) -> list[str]:
    return ["/bin/sh", "-c", _JOIN, "sh", str(len(doors)), *doors, *command] if doors else list(command)


def _result(seen: Watched, refusals: Sequence[str]) -> SandboxResult:
    return SandboxResult(
        seen.exit_code,
        seen.stdout.decode("utf-8", errors="replace"),
        seen.stderr.decode("utf-8", errors="replace"),
        seen.seconds,
        tuple(dict.fromkeys([*seen.stopped, *refusals])),
    )
