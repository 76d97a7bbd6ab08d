# SPDX-License-Identifier: Apache-2.0
import json
from pathlib import Path

from node0.finetune.eval.sandbox.box import LAUNCHER, PROGRAMS, Box, interpreter, launched, read_only
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


def test_nothing_else_of_a_home_is_mounted() -> None:
    places = read_only(Box("one", PLACE, SandboxLimits()))

    assert set(places) <= {
        interpreter().parent.parent,
        *(place for place in places if place.name == "launcher.py"),
    }
