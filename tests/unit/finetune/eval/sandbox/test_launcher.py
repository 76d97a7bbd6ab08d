# SPDX-License-Identifier: Apache-2.0
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from node0.finetune.eval.sandbox import launcher


def _launched(tmp_path: Path, *command: str, **limits: int) -> subprocess.CompletedProcess[str]:
    asked: dict[str, Any] = {"uid": None, "directory": str(tmp_path), "limits": limits}
    line = [sys.executable, "-I", "-S", launcher.__file__, json.dumps(asked), *command]
    return subprocess.run(line, capture_output=True, text=True, timeout=20, check=False)


def test_it_becomes_the_command_in_the_directory_with_the_limits(tmp_path: Path) -> None:
    done = _launched(tmp_path, "sh", "-c", "pwd; ulimit -n; ulimit -f", RLIMIT_NOFILE=77, RLIMIT_FSIZE=51200)

    assert done.stdout.split() == [str(tmp_path), "77", "100"]
    assert done.returncode == 0


def test_the_commands_exit_code_is_its_own(tmp_path: Path) -> None:
    assert _launched(tmp_path, "sh", "-c", "exit 7").returncode == 7


def test_a_program_that_does_not_exist_is_said_in_one_line(tmp_path: Path) -> None:
    done = _launched(tmp_path, "no-such-program")

    assert (done.returncode, done.stderr) == (
        launcher.NOT_STARTED,
        "no-such-program: No such file or directory\n",
    )


def test_limits_that_cannot_be_set_start_nothing(tmp_path: Path) -> None:
    _launched(tmp_path, "touch", "made", RLIMIT_NOFILE=1 << 60)

    assert not (tmp_path / "made").exists()
