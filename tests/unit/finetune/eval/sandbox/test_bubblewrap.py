# SPDX-License-Identifier: Apache-2.0
import json
from pathlib import Path

from node0.finetune.eval.sandbox.box import Box
from node0.finetune.eval.sandbox.bubblewrap import Bubblewrap
from node0.finetune.eval.sandbox.limits import SandboxLimits
from node0.finetune.eval.sandbox.workspace import Workspace


def _line(tmp_path: Path, *, as_root: bool, helps: str = "--disable-userns") -> list[str]:
    program = tmp_path / "bwrap"
    program.write_text(f"#!/bin/sh\necho '{helps}'\n")
    program.chmod(0o755)
    box = Box("one", Workspace(tmp_path / "w", 1_600_000_000, tmp_path / "s"), SandboxLimits())
    return Bubblewrap(str(program), as_root=as_root).command(box, ["true"])


def _user(line: list[str]) -> object:
    return next(json.loads(word)["uid"] for word in line if word.startswith('{"uid"'))


def test_every_name_space_is_its_own_and_nothing_of_the_environment_is_there(tmp_path: Path) -> None:
    line = _line(tmp_path, as_root=True)

    assert {"--unshare-net", "--unshare-pid", "--unshare-ipc", "--die-with-parent", "--clearenv"} <= set(line)
    assert Bubblewrap("bwrap", as_root=True).environment == {}


def test_root_gives_the_command_the_workspaces_user(tmp_path: Path) -> None:
    line = _line(tmp_path, as_root=True)

    assert _user(line) == 1_600_000_000
    assert "--unshare-user" not in line


def test_anybody_else_gets_a_user_name_space_that_cannot_be_nested(tmp_path: Path) -> None:
    line = _line(tmp_path, as_root=False)

    assert _user(line) is None
    assert {"--unshare-user", "--disable-userns"} <= set(line)
    assert "CAP_SETUID" not in line


def test_an_older_bubblewrap_is_not_asked_for_what_it_lacks(tmp_path: Path) -> None:
    assert "--disable-userns" not in _line(tmp_path, as_root=False, helps="usage")


def test_only_the_workspace_can_be_written(tmp_path: Path) -> None:
    line = _line(tmp_path, as_root=True)

    assert [line[at + 2] for at, word in enumerate(line) if word == "--bind"] == ["/workspace"]
    assert "--ro-bind" in line
    assert [line[at + 1] for at, word in enumerate(line) if word == "--remount-ro"] == ["/dev", "/"]
