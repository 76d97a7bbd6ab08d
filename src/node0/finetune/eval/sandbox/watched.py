# SPDX-License-Identifier: Apache-2.0
"""Run a command line and end it when it takes too long, says too much or writes too much."""

import contextlib
import os
import selectors
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from node0.finetune.eval.sandbox.limits import SandboxLimits
from node0.finetune.eval.sandbox.workspace import Unmeasurable, Workspace

LOOK_EVERY = 0.1
"Seconds between looks at clock and disk."

DRAIN_SECONDS = 2.0
"How long after the end the pipes may stay open; only what escaped its end could hold them."

OTHERS_WRITE = 4 << 30
"Bytes by which free space may fall during one run: this much is put down to other programs of the machine."

CHUNK = 1 << 16


@dataclass(frozen=True)
class _Disk:
    """What is looked at again and again: the workspace, and how much was free when the command started."""

    workspace: Workspace
    limits: SandboxLimits
    free: int

    def look(self, seen: "Watched") -> None:
        """Note what was written beyond a limit."""
        limits = self.limits
        try:
            size, files = self.workspace.size()
        except Unmeasurable as error:
            seen.stopped.append(f"wrote above {limits.disk:,} bytes, as far as can be told: {error}")
            return
        if size > limits.disk:
            seen.stopped.append(f"wrote above {limits.disk:,} bytes")
        if files > limits.files:
            seen.stopped.append(f"wrote above {limits.files:,} files")
        # A file that is open and has no name any more is seen here alone.
        most = max(4 * limits.disk, OTHERS_WRITE)
        if self.free - _free(self.workspace) > most:
            seen.stopped.append(f"wrote above {most:,} bytes without a name, or another program wrote them")


@dataclass
class Watched:
    """What a command line did."""

    exit_code: int = 0
    stdout: bytes = b""
    stderr: bytes = b""
    seconds: float = 0.0
    stopped: list[str] = field(default_factory=list)
    "Limits that it ran into."


def watch(
    command: Sequence[str],
    *,
    workspace: Workspace,
    limits: SandboxLimits,
    stdin: bytes = b"",
    environment: Mapping[str, str] | None = None,
    end: Callable[[], None] = lambda: None,
) -> Watched:
    """Run a command line under these limits.

    Args:
        workspace: where it may write; its size is looked at while it runs.
        stdin: what it can read.
        environment: what it is started with, beside a plain PATH.
        end: called after it was killed, for what killing does not reach.

    Raises:
        OSError: the program cannot be started.
    """
    seen, began = Watched(), time.monotonic()
    disk = _Disk(workspace, limits, _free(workspace))
    with _started(command, stdin, environment or {}) as process:
        try:
            _follow(process, seen, disk=disk, limits=limits)
        finally:
            if process.poll() is None:
                process.kill()
                end()
            seen.exit_code = process.wait()
    seen.seconds = time.monotonic() - began
    disk.look(seen)
    return seen


@contextlib.contextmanager
def _started(
    command: Sequence[str], stdin: bytes, environment: Mapping[str, str]
) -> "Iterator[subprocess.Popen[bytes]]":
    with tempfile.TemporaryFile() as given:
        given.write(stdin)
        given.seek(0)
        process = subprocess.Popen(
            command,
            stdin=given,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            cwd="/",
            env={"PATH": "/usr/local/bin:/usr/bin:/bin", **environment},
        )
    with process:
        yield process


def _follow(process: "subprocess.Popen[bytes]", seen: Watched, *, disk: _Disk, limits: SandboxLimits) -> None:
    """Collect output until both pipes are closed or a limit is exceeded."""
    until = time.monotonic() + limits.seconds
    pieces: dict[str, list[bytes]] = {"stdout": [], "stderr": []}
    size, look_at = 0, time.monotonic() + LOOK_EVERY
    with _pipes(process) as pipes:
        while pipes.get_map() and not seen.stopped:
            for key, _ in pipes.select(LOOK_EVERY):
                if not (chunk := os.read(key.fd, CHUNK)):
                    pipes.unregister(key.fileobj)
                pieces[key.data].append(chunk[: max(0, limits.output - size)])
                size += len(chunk)
            if size > limits.output:
                seen.stopped.append(f"output above {limits.output:,} bytes")
            if (now := time.monotonic()) > until:
                seen.stopped.append(f"not done after {limits.seconds:g} s")
            if now > look_at:
                disk.look(seen)
                look_at = now + LOOK_EVERY
            if process.poll() is not None:
                until = min(until, now + DRAIN_SECONDS)
    seen.stdout, seen.stderr = b"".join(pieces["stdout"]), b"".join(pieces["stderr"])
    _await(process, seen, until=until, limits=limits)


def _await(process: "subprocess.Popen[bytes]", seen: Watched, *, until: float, limits: SandboxLimits) -> None:
    """Wait for a process that has closed its pipes and may go on in silence."""
    if not seen.stopped:
        try:
            process.wait(max(0.0, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            seen.stopped.append(f"not done after {limits.seconds:g} s")


@contextlib.contextmanager
def _pipes(process: "subprocess.Popen[bytes]") -> Iterator[selectors.BaseSelector]:
    with selectors.DefaultSelector() as pipes:
        for name, pipe in (("stdout", process.stdout), ("stderr", process.stderr)):
            if pipe is not None:
                pipes.register(pipe, selectors.EVENT_READ, name)
        yield pipes


def _free(workspace: Workspace) -> int:
    return shutil.disk_usage(workspace.scaffold).free
