# SPDX-License-Identifier: Apache-2.0
import contextlib
import logging
from pathlib import Path

import pytest

from node0.errors import SandboxUnavailable
from node0.finetune.eval.sandbox import sandbox_runner
from node0.finetune.eval.sandbox.cgroup import ControlGroups
from node0.finetune.eval.sandbox.sandbox_runner import SandboxResult, find_sandbox


def test_without_any_backend_nothing_is_run_and_one_line_says_why(tmp_path: Path) -> None:
    with pytest.raises(SandboxUnavailable) as refused:
        find_sandbox(search_path=str(tmp_path))

    assert refused.value.exit_code == 1
    told = str(refused.value)
    assert "\n" not in told
    assert "bubblewrap is not installed; podman is not installed" in told
    assert "apt-get install bubblewrap" in told


def test_backends_that_fail_here_are_named_with_their_reason(tmp_path: Path) -> None:
    for name in ("bwrap", "podman"):
        program = tmp_path / name
        program.write_text("#!/bin/sh\necho 'not permitted here' >&2\nexit 1\n")
        program.chmod(0o755)

    with pytest.raises(
        SandboxUnavailable, match="bubblewrap fails here: exit code 1: not permitted here"
    ) as refused:
        find_sandbox(search_path=str(tmp_path))

    assert "podman fails here" in str(refused.value)


def test_a_backend_that_only_pretends_to_run_is_not_believed(tmp_path: Path) -> None:
    program = tmp_path / "bwrap"
    program.write_text("#!/bin/sh\nexit 0\n")
    program.chmod(0o755)

    with pytest.raises(SandboxUnavailable):
        find_sandbox(search_path=str(tmp_path))


@pytest.mark.parametrize(("memory", "told"), [(False, True), (True, False)])
def test_memory_that_is_not_bounded_together_is_warned_of(
    memory: bool,
    told: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    program = tmp_path / "bwrap"
    program.write_text("#!/bin/sh\necho here\n")
    program.chmod(0o755)
    (tmp_path / ("memory.max" if memory else "pids.max")).touch()
    groups = ControlGroups((tmp_path,))
    monkeypatch.setattr(sandbox_runner, "control_groups", lambda limits: contextlib.nullcontext(groups))

    with caplog.at_level(logging.WARNING):
        find_sandbox(search_path=str(tmp_path))

    assert ("no memory cgroup can be made here" in caplog.text) is told


def test_a_result_says_in_one_line_how_it_ended() -> None:
    assert SandboxResult(0, "fine\n", "", 0.1).succeeded
    assert SandboxResult(2, "", "a\nno such thing\n", 0.1).why == "exit code 2: no such thing"
    stopped = SandboxResult(0, "", "", 9.0, ("not done after 9 s",))
    assert (stopped.succeeded, stopped.why) == (False, "not done after 9 s")
