# SPDX-License-Identifier: Apache-2.0
import sys
from collections.abc import Iterator

import pytest

from node0.finetune.eval.sandbox import watched
from node0.finetune.eval.sandbox.limits import SandboxLimits
from node0.finetune.eval.sandbox.watched import watch
from node0.finetune.eval.sandbox.workspace import Workspace, open_workspace


@pytest.fixture
def workspace() -> Iterator[Workspace]:
    with open_workspace(own_user=False) as opened:
        yield opened


def test_a_command_line_is_run_to_its_end(workspace: Workspace) -> None:
    seen = watch(
        ["sh", "-c", "cat; echo no >&2; exit 3"], workspace=workspace, limits=SandboxLimits(), stdin=b"in"
    )

    assert (seen.stdout, seen.stderr, seen.exit_code, seen.stopped) == (b"in", b"no\n", 3, [])


def test_one_that_takes_too_long_is_ended_and_its_output_kept(workspace: Workspace) -> None:
    ended = []
    limits = SandboxLimits(seconds=0.5)

    seen = watch(
        ["sh", "-c", "echo begun; exec sleep 60"],
        workspace=workspace,
        limits=limits,
        end=lambda: ended.append(1),
    )

    assert seen.stopped == ["not done after 0.5 s"]
    assert (seen.stdout, ended) == (b"begun\n", [1])
    assert seen.exit_code < 0


def test_one_that_closes_its_pipes_and_goes_on_is_ended_too(workspace: Workspace) -> None:
    command = ["sh", "-c", "exec sleep 60 >&- 2>&-"]

    assert watch(command, workspace=workspace, limits=SandboxLimits(seconds=0.5)).stopped


def test_one_that_says_too_much_is_ended(workspace: Workspace) -> None:
    seen = watch(["yes"], workspace=workspace, limits=SandboxLimits(output=1000))

    assert seen.stopped == ["output above 1,000 bytes"]
    assert len(seen.stdout) == 1000


def test_one_that_writes_too_much_is_ended(workspace: Workspace) -> None:
    script = f"open('{workspace.root}/big','wb').write(bytes(300000)); import time; time.sleep(60)"

    seen = watch([sys.executable, "-c", script], workspace=workspace, limits=SandboxLimits(disk=100_000))

    assert "wrote above 100,000 bytes" in seen.stopped


def test_too_many_files_are_seen_after_the_end(workspace: Workspace) -> None:
    command = ["sh", "-c", f"cd {workspace.root}; for i in 1 2 3 4; do : > f$i; done"]

    assert watch(command, workspace=workspace, limits=SandboxLimits(files=3)).stopped == [
        "wrote above 3 files"
    ]


def test_files_that_are_open_and_have_no_name_are_seen(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watched, "OTHERS_WRITE", 0)
    script = f"""
import os, time
kept = []
for n in range(100):
    kept.append(open("{workspace.root}/x", "wb", buffering=0))
    os.unlink("{workspace.root}/x")
    kept[-1].write(bytes(1 << 20))
time.sleep(60)
"""

    seen = watch(
        [sys.executable, "-c", script], workspace=workspace, limits=SandboxLimits(disk=1 << 20, seconds=30)
    )

    assert seen.stopped[0] == "wrote above 4,194,304 bytes without a name, or another program wrote them"


def test_a_machine_on_which_others_write_is_no_reason_to_end(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = [10 << 30, 9 << 30, 8 << 30, 7 << 30]
    monkeypatch.setattr(watched, "_free", lambda workspace: free.pop(0) if len(free) > 1 else free[0])

    assert watch(["sleep", "0.6"], workspace=workspace, limits=SandboxLimits(disk=1000)).stopped == []


def test_directories_that_cannot_be_measured_end_it(workspace: Workspace) -> None:
    script = f"import os, time\nos.chdir('{workspace.root}')\n"
    script += "for _ in range(1500): os.mkdir('d'); os.chdir('d')\ntime.sleep(60)"

    seen = watch([sys.executable, "-c", script], workspace=workspace, limits=SandboxLimits(seconds=30))

    assert seen.stopped[0].startswith("wrote above 67,108,864 bytes, as far as can be told: more than 64")


def test_it_is_started_with_no_environment_of_ours(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOKEN", "secret")

    seen = watch(["env"], workspace=workspace, limits=SandboxLimits(), environment={"HOME": "/nowhere"})

    assert b"TOKEN" not in seen.stdout
    assert b"HOME=/nowhere" in seen.stdout
