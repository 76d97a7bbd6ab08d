# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

from node0.finetune.eval.sandbox.box import Box
from node0.finetune.eval.sandbox.limits import SandboxLimits
from node0.finetune.eval.sandbox.podman import Podman
from node0.finetune.eval.sandbox.workspace import Workspace


def _box(tmp_path: Path, user: int | None = None) -> Box:
    for name in ("w", "s"):
        (tmp_path / name).mkdir()
    return Box(
        "node0-1-1", Workspace(tmp_path / "w", user, tmp_path / "s"), SandboxLimits(processes=5, memory=99)
    )


def test_a_container_has_no_network_no_rights_and_the_limits(tmp_path: Path) -> None:
    line = Podman("podman").command(_box(tmp_path), ["true"])
    told = " ".join(line)

    assert "--network none" in told
    assert "--read-only" in told
    assert "--cap-drop all" in told
    assert "--pids-limit 5 --memory 99" in told
    assert "--security-opt no-new-privileges" in told


def test_it_runs_on_this_machines_system_and_fetches_no_image(tmp_path: Path) -> None:
    line = Podman("podman").command(_box(tmp_path), ["true"])

    assert line[line.index("--rootfs") + 1] == str(tmp_path / "s")
    assert "/usr:/usr:ro" in line
    assert (tmp_path / "s" / "workspace").is_dir()


def test_a_workspace_of_another_user_is_run_as_that_user(tmp_path: Path) -> None:
    told = " ".join(Podman("podman").command(_box(tmp_path, 1_600_000_001), ["true"]))

    assert "--user 1600000001:1600000001" in told
    assert "keep-id" not in told


def test_the_end_of_a_run_removes_its_container(tmp_path: Path) -> None:
    program = tmp_path / "podman"
    program.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/called\n')
    program.chmod(0o755)

    Podman(str(program)).end(_box(tmp_path))

    assert (tmp_path / "called").read_text().split() == ["rm", "--force", "--time", "0", "node0-1-1"]
