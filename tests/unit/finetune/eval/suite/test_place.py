# SPDX-License-Identifier: Apache-2.0
import contextlib
import errno
import json
import subprocess
from collections.abc import Sequence
from typing import Any, cast

import pytest

from node0.errors import ConfigError
from node0.finetune.eval.sandbox.sandbox_runner import SandboxResult, SandboxRunner
from node0.finetune.eval.sandbox.workspace import Workspace, open_workspace
from node0.finetune.eval.suite.checks.bead_state import STORE
from node0.finetune.eval.suite.item import Setup
from node0.finetune.eval.suite.place import GT_ANSWERS, open_place


class _Started:
    """Starts a program with the command's words, outside any sandbox: whether the system takes the line."""

    def workspace(self) -> contextlib.AbstractContextManager[Workspace]:
        return open_workspace(own_user=False)

    def run(self, command: Sequence[str], workspace: Workspace, **given: Any) -> SandboxResult:
        done = subprocess.run(["true", *command], check=False, timeout=60)
        return SandboxResult(done.returncode, "", "", 0.0)


class _Broken(_Started):
    def run(self, command: Sequence[str], workspace: Workspace, **given: Any) -> SandboxResult:
        raise OSError(errno.ENOMEM, "no memory")


class _Runner:
    """Notes what it is asked to run, and fails as it is told."""

    def __init__(self, exit_code: int = 0) -> None:
        self.exit_code = exit_code
        self.asked: list[tuple[list[str], dict[str, Any]]] = []

    def workspace(self) -> contextlib.AbstractContextManager[Workspace]:
        return open_workspace(own_user=False)

    def run(self, command: Sequence[str], workspace: Workspace, **given: Any) -> SandboxResult:
        self.asked.append((list(command), given))
        return SandboxResult(self.exit_code, "out\n", "err\n", 0.0)


SETUP = Setup.model_validate(
    {
        "files": {"src/a.py": "x = 1\n"},
        "beads": [{"id": "gt-1", "title": "One"}, {"id": "gt-2", "title": "Two", "needs": ["gt-1"]}],
        "gt": {"gt hook": "gt-1"},
        "commands": "git init",
    }
)


def test_a_place_holds_files_beads_and_what_gt_says() -> None:
    runner = _Runner()
    with open_place(SETUP, cast(SandboxRunner, runner)) as place:
        kept = json.loads(place.read(STORE) or "")

        assert place.read("src/a.py") == "x = 1\n"
        assert kept["beads"]["gt-2"]["needs"] == [["gt-1", "blocks"]]
        assert json.loads(place.read(GT_ANSWERS) or "") == {"gt hook": "gt-1"}
        assert runner.asked[0][0] == ["bash", "-c", "set -e\ngit init"]


def test_commands_run_with_bd_and_gt_on_path() -> None:
    runner = _Runner()
    with open_place(Setup(), cast(SandboxRunner, runner)) as place:
        ran = place.run("bd ready")
        programs = runner.asked[0][1]["programs"]

        assert (ran.exit_code, ran.output) == (0, "out\nerr\n")
        assert sorted(file.name for file in programs.iterdir()) == ["bd", "gt"]
        assert all(file.stat().st_mode & 0o111 for file in programs.iterdir())
        assert (programs / "bd").read_text().startswith("#!/")

    assert not programs.exists()


def test_a_setup_that_fails_is_an_error_of_the_item() -> None:
    with (
        pytest.raises(ConfigError, match="setup fails: out err"),
        open_place(SETUP, cast(SandboxRunner, _Runner(exit_code=1))),
    ):
        pass


def test_a_file_outside_is_neither_written_nor_read() -> None:
    with open_place(Setup(), cast(SandboxRunner, _Runner())) as place:
        assert not place.write("/etc/passwd", "x")
        assert place.read("/etc/passwd") is None


@pytest.mark.parametrize(
    "command",
    ["echo a\0b", "echo \ud800", "echo " + "x" * (128 << 10)],
    ids=["null byte", "surrogate", "too long"],
)
def test_a_line_that_the_system_does_not_take_has_failed(command: str) -> None:
    with open_place(Setup(), cast(SandboxRunner, _Started())) as place:
        ran = place.run(command)

        assert (ran.command, ran.exit_code, ran.stopped) == (command, 126, ())
        assert ran.output.startswith("bash: ")
        assert place.run("echo a").exit_code == 0


def test_a_machine_that_cannot_start_it_is_no_failure_of_the_command() -> None:
    with (
        open_place(Setup(), cast(SandboxRunner, _Broken())) as place,
        pytest.raises(OSError, match="no memory"),
    ):
        place.run("true")


def test_a_path_that_no_file_can_have_is_neither_written_nor_read() -> None:
    with open_place(Setup(), cast(SandboxRunner, _Runner())) as place:
        for path in ("a\ud800", "a\udcff", "a\0"):
            assert not place.write(path, "x")
            assert place.read(path) is None
