# SPDX-License-Identifier: Apache-2.0
"""A cgroup for one run: bounds of processes and memory over the whole tree, where this user may set them.

Version 1 has a hierarchy for each controller, version 2 one for all (Linux Documentation/admin-guide,
cgroup-v1/pids.rst, cgroup-v1/memory.rst, cgroup-v2.rst). In version 2 a group can be made only below one that
hands the controllers on, so every group above ours is tried, the nearest first.
"""

import contextlib
import itertools
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from node0.finetune.eval.sandbox.limits import SandboxLimits

MOUNTS = Path("/proc/self/mountinfo")
MEMBERSHIP = Path("/proc/self/cgroup")
_NUMBERS = itertools.count(1)


@dataclass(frozen=True)
class ControlGroups:
    """The groups of one run; none where this user may make none."""

    directories: tuple[Path, ...] = ()

    @property
    def doors(self) -> list[str]:
        """Files into which a process writes its number to be counted."""
        return [str(place / "cgroup.procs") for place in self.directories]

    @property
    def binds_memory(self) -> bool:
        """Whether memory of all processes together is bounded."""
        return any((place / name).exists() for place in self.directories for name in _MEMORY_FILES)

    def refusals(self) -> list[str]:
        """Which bounds the kernel had to enforce, for a person."""
        found = []
        if self._count("pids.events", "max"):
            found.append("process limit reached")
        if self._count("memory.events", "oom_kill") or self._count("memory.oom_control", "oom_kill"):
            found.append("memory limit reached")
        return found

    def _count(self, name: str, key: str) -> int:
        for place in self.directories:
            with contextlib.suppress(OSError):
                for line in (place / name).read_text().splitlines():
                    if line.split()[0] == key:
                        return int(line.split()[1])
        return 0

    def remove(self, *, patience: float = 2.0) -> None:
        """Remove the groups; processes that are on their way out are waited for, `patience` seconds."""
        until = time.monotonic() + patience
        for place in self.directories:
            while not _removed(place) and time.monotonic() < until:
                time.sleep(0.01)


_MEMORY_FILES = ("memory.max", "memory.limit_in_bytes")


@contextlib.contextmanager
def control_groups(
    limits: SandboxLimits, *, mounts: Path = MOUNTS, membership: Path = MEMBERSHIP
) -> Iterator[ControlGroups]:
    """Groups with these limits, removed when the block ends."""
    groups = _make(limits, mounts=mounts, membership=membership)
    try:
        yield groups
    finally:
        groups.remove()


def _make(limits: SandboxLimits, *, mounts: Path, membership: Path) -> ControlGroups:
    name = f"node0-sandbox-{os.getpid()}-{next(_NUMBERS)}"
    made: list[Path] = []
    for parents, files in _places(limits, mounts=mounts, membership=membership):
        for parent in parents:
            if (group := _group(parent / name, files)) is not None:
                made.append(group)
                break
    return ControlGroups(tuple(made))


def _places(
    limits: SandboxLimits, *, mounts: Path, membership: Path
) -> Iterator[tuple[list[Path], dict[str, int]]]:
    """For each hierarchy: where a group may be made, and what is written into it."""
    own = _own_paths(membership)
    pids = {"pids.max": limits.processes}
    for root, kind, controllers in _hierarchies(mounts):
        if kind == "cgroup2":
            parents = _upwards(root, own.get("", "/"))
            files = pids | {"memory.max": limits.memory, "memory.swap.max": 0}
            yield [place for place in parents if _hands_on(place)], files
        elif "pids" in controllers:
            yield [root / own.get("pids", "/").lstrip("/")], pids
        elif "memory" in controllers:
            parent = root / own.get("memory", "/").lstrip("/")
            yield [parent], {"memory.limit_in_bytes": limits.memory}


def _hierarchies(mounts: Path) -> Iterator[tuple[Path, str, list[str]]]:
    """Mounted cgroup file systems: place, kind, and the options that name controllers."""
    with contextlib.suppress(OSError):
        for line in mounts.read_text().splitlines():
            before, _, after = line.partition(" - ")
            kind, _, options = [*after.split(" ", 2), "", ""][:3]
            if kind in ("cgroup", "cgroup2"):
                yield Path(before.split()[4]), kind, options.split(",")


def _own_paths(membership: Path) -> dict[str, str]:
    """Controller to the path of this process's group; version 2 under the empty name."""
    found: dict[str, str] = {}
    with contextlib.suppress(OSError):
        for line in membership.read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            found |= dict.fromkeys(controllers.split(","), path)
    return found


def _upwards(root: Path, path: str) -> list[Path]:
    place = root / path.lstrip("/")
    return [each for each in (place, *place.parents) if each.is_relative_to(root)]


def _hands_on(place: Path) -> bool:
    """Whether groups below a version 2 group can bound both."""
    try:
        return {"pids", "memory"} <= set((place / "cgroup.subtree_control").read_text().split())
    except OSError:
        return False


def _group(place: Path, files: dict[str, int]) -> Path | None:
    """The new group with its bounds written; None where this user may not, or the kernel has no such file."""
    try:
        place.mkdir()
    except OSError:
        return None
    try:
        for name, value in files.items():
            if name != "memory.swap.max" or (place / name).exists():
                (place / name).write_text(str(value))
    except OSError:
        _removed(place)
        return None
    return place


def _removed(place: Path) -> bool:
    try:
        place.rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True
