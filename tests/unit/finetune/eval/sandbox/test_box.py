# SPDX-License-Identifier: Apache-2.0
import json
import sys
from pathlib import Path

import pytest

from node0.errors import SandboxUnavailable
from node0.finetune.eval.sandbox.box import (
    LAUNCHER,
    PROGRAMS,
    Box,
    interpreter,
    launched,
    launcher_file,
    read_only,
)
from node0.finetune.eval.sandbox.limits import SandboxLimits
from node0.finetune.eval.sandbox.workspace import Workspace

PLACE = Workspace(Path("/tmp/w"), None, Path("/tmp/s"))


def test_a_command_starts_behind_the_launcher_with_its_limits() -> None:
    box = Box("one", PLACE, SandboxLimits(memory=1000, processes=7, disk=5, seconds=2))

    line = launched(box, ["echo", "x"], user=12)

    assert line[:4] == [str(interpreter()), "-I", "-S", LAUNCHER]
    assert line[-2:] == ["echo", "x"]
    asked = json.loads(line[4])
    assert asked["uid"] == 12
    assert asked["limits"]["RLIMIT_NPROC"] == 7
    assert asked["limits"]["RLIMIT_AS"] == 1000
    assert asked["limits"]["RLIMIT_FSIZE"] == 5


def test_address_space_is_wider_where_memory_itself_is_bounded() -> None:
    box = Box("one", PLACE, SandboxLimits(memory=1000), bounds_all_memory=True)

    assert json.loads(launched(box, ["x"], user=None)[4])["limits"]["RLIMIT_AS"] == 8000


def test_programs_come_first_on_path_and_are_mounted() -> None:
    box = Box("one", PLACE, SandboxLimits(), Path("/tmp/p"), {"TERM": "dumb"})

    assert box.variables["PATH"].startswith(f"{PROGRAMS}:")
    assert box.variables["TERM"] == "dumb"
    assert read_only(box)[Path("/tmp/p")] == PROGRAMS


def _interpreter_at(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pretend that this interpreter lies in `bin` of a directory that holds more than an interpreter does."""
    for name in ("bin", "lib", "share", ".ssh"):
        (root / name).mkdir(parents=True)
    (root / "bin" / "python3").touch()
    monkeypatch.setattr(sys, "executable", str(root / "bin" / "python3"))


def test_of_a_home_nothing_but_the_interpreter_is_mounted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    root = tmp_path / "versions" / "3.11"
    _interpreter_at(root, monkeypatch)

    places = read_only(Box("one", PLACE, SandboxLimits()))

    assert places == {
        root / "bin": str(root / "bin"),
        root / "lib": str(root / "lib"),
        launcher_file(): LAUNCHER,
    }


@pytest.mark.parametrize("root", ["home", ".", "/"])
def test_a_home_and_what_lies_above_it_is_never_mounted(
    root: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    if root == "/":
        monkeypatch.setattr(sys, "executable", "/bin-of-no-name/python3")
    else:
        _interpreter_at(tmp_path / root, monkeypatch)

    with pytest.raises(SandboxUnavailable, match="run node0 by an interpreter below /usr"):
        read_only(Box("one", PLACE, SandboxLimits()))
