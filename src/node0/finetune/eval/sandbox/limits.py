# SPDX-License-Identifier: Apache-2.0
"""How much of this machine a command in the sandbox may take."""

from dataclasses import dataclass

MEBI = 1 << 20


@dataclass(frozen=True)
class SandboxLimits:
    """Bounds of one run; whoever exceeds one is ended, or is refused by the kernel."""

    seconds: float = 20.0
    "By the clock, from start to end of the whole process tree. Also of processor time, for each process."

    memory: int = 512 * MEBI
    "Bytes: of all processes where a memory cgroup can be made, else of each one's address space."

    processes: int = 64
    "Processes and threads at one time."

    output: int = MEBI
    "Bytes on stdout and stderr together."

    disk: int = 64 * MEBI
    "Bytes below the workspace; no single file can grow beyond it, and /tmp is a file system of this size."

    files: int = 5000
    "Files and directories below the workspace."

    def __post_init__(self) -> None:
        """Refuse a bound that nothing could keep."""
        if min(self.seconds, self.memory, self.processes, self.output, self.disk, self.files) <= 0:
            raise ValueError(f"every limit of a sandbox is above 0: {self}")
