# SPDX-License-Identifier: Apache-2.0
"""What processes take of the machine: memory and computing."""

import os
from pathlib import Path


def resident_mebibytes(pid: int) -> float:
    """MiB of a process that are in memory; 0 where it is gone.

    Pages that it shares count too: a forked process that writes to what it has of its parent, as each full
    collection of garbage does, takes no more than before, though what is private to it grows.
    """
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Rss:")) / 1024


def cpu_seconds(pid: int) -> float:
    """What a process has computed; 0 where it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def busy_seconds() -> float:
    """What all processors of this machine have computed, since it started."""
    user, nice, system, _, _, *rest = map(int, Path("/proc/stat").read_text().splitlines()[0].split()[1:9])
    return (user + nice + system + sum(rest)) / os.sysconf("SC_CLK_TCK")
