# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest

from node0.finetune.eval.sandbox.cgroup import ControlGroups, control_groups
from node0.finetune.eval.sandbox.limits import SandboxLimits

LIMITS = SandboxLimits(memory=1 << 20, processes=9)


@pytest.fixture
def machine(tmp_path: Path) -> tuple[Path, Path]:
    """Files that say which groups there are; the test writes them."""
    return tmp_path / "mountinfo", tmp_path / "cgroup"


def _mount(root: Path, kind: str, options: str) -> str:
    return f"30 20 0:26 / {root} rw,nosuid - {kind} {kind} rw,{options}\n"


def test_version_1_has_a_group_for_each_of_both_controllers(
    machine: tuple[Path, Path], tmp_path: Path
) -> None:
    mounts, membership = machine
    pids, memory = tmp_path / "pids", tmp_path / "memory"
    for root in (pids, memory / "mine"):
        root.mkdir(parents=True)
    mounts.write_text(_mount(pids, "cgroup", "pids") + _mount(memory, "cgroup", "memory"))
    membership.write_text("8:pids:/\n4:memory:/mine\n0::/\n")

    with control_groups(LIMITS, mounts=mounts, membership=membership) as groups:
        first, second = groups.directories
        assert (first.parent, second.parent) == (pids, memory / "mine")
        assert (first / "pids.max").read_text() == "9"
        assert (second / "memory.limit_in_bytes").read_text() == str(1 << 20)
        assert groups.doors == [f"{first}/cgroup.procs", f"{second}/cgroup.procs"]
        assert groups.binds_memory
        for file in (first / "pids.max", second / "memory.limit_in_bytes"):
            file.unlink()  # on a real one they go with the directory

    assert not first.exists()
    assert not second.exists()


def test_version_2_takes_the_nearest_group_that_hands_both_on(
    machine: tuple[Path, Path], tmp_path: Path
) -> None:
    mounts, membership = machine
    root = tmp_path / "unified"
    own = root / "user" / "session"
    own.mkdir(parents=True)
    (root / "cgroup.subtree_control").write_text("cpu memory pids\n")
    (root / "user" / "cgroup.subtree_control").write_text("memory pids\n")
    (own / "cgroup.subtree_control").write_text("\n")
    mounts.write_text(_mount(root, "cgroup2", "nsdelegate"))
    membership.write_text("0::/user/session\n")

    with control_groups(LIMITS, mounts=mounts, membership=membership) as groups:
        [group] = groups.directories
        assert group.parent == root / "user"
        assert ((group / "pids.max").read_text(), (group / "memory.max").read_text()) == ("9", str(1 << 20))
        for name in ("pids.max", "memory.max"):
            (group / name).unlink()


def test_where_none_can_be_made_there_are_none(machine: tuple[Path, Path], tmp_path: Path) -> None:
    mounts, membership = machine
    mounts.write_text(_mount(tmp_path / "gone", "cgroup", "pids"))
    membership.write_text("8:pids:/\n")

    with control_groups(LIMITS, mounts=mounts, membership=membership) as groups:
        assert groups.directories == ()
        assert not groups.binds_memory
        assert groups.refusals() == []


def test_what_the_kernel_refused_is_told(tmp_path: Path) -> None:
    (tmp_path / "pids.events").write_text("max 12\n")
    (tmp_path / "memory.oom_control").write_text("oom_kill_disable 0\nunder_oom 0\noom_kill 1\n")

    assert ControlGroups((tmp_path,)).refusals() == ["process limit reached", "memory limit reached"]
