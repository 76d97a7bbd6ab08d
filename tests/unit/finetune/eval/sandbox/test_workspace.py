# SPDX-License-Identifier: Apache-2.0
import os
from pathlib import Path

import pytest

from node0.finetune.eval.sandbox.workspace import OutsideWorkspace, open_workspace


def test_files_are_written_and_read_below_the_root() -> None:
    with open_workspace(own_user=False) as workspace:
        workspace.fill({"a/b/c.txt": "words", "/workspace/d.txt": "more"})

        assert workspace.read("a/b/c.txt") == "words"
        assert workspace.read("d.txt") == "more"
        assert workspace.size()[1] == 4
        root = workspace.root

    assert not root.parent.exists()


@pytest.mark.parametrize("path", ["../x", "/etc/passwd", "a/../../x", "", ".", "a\0b", "/workspace"])
def test_a_path_that_leads_out_is_refused(path: str) -> None:
    with open_workspace(own_user=False) as workspace:
        with pytest.raises(OutsideWorkspace):
            workspace.write(path, "x")
        assert workspace.read(path) is None


def test_a_link_is_followed_at_no_step(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    with open_workspace(own_user=False) as workspace:
        (workspace.root / "file").symlink_to(tmp_path / "secret")
        (workspace.root / "directory").symlink_to(tmp_path)

        assert workspace.read("file") is None
        assert workspace.read("directory/secret") is None
        for path in ("file", "directory/secret", "directory/new/x"):
            with pytest.raises(OutsideWorkspace):
                workspace.write(path, "changed")

    assert (tmp_path / "secret").read_text() == "secret"
    assert [file.name for file in tmp_path.iterdir()] == ["secret"]


def test_a_pipe_is_neither_waited_for_nor_read() -> None:
    with open_workspace(own_user=False) as workspace:
        os.mkfifo(workspace.root / "pipe")

        assert workspace.read("pipe") is None
        with pytest.raises(OutsideWorkspace):
            workspace.write("pipe", "x")


def test_directories_without_rights_are_removed_too() -> None:
    with open_workspace(own_user=False) as workspace:
        workspace.write("closed/file", "x")
        (workspace.root / "closed").chmod(0)
        root = workspace.root

    assert not root.parent.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away")
def test_a_workspace_of_its_own_user_belongs_to_a_number_without_account() -> None:
    with open_workspace(own_user=True) as one, open_workspace(own_user=True) as other:
        one.write("a/b", "x")

        assert one.user != other.user
        assert {(one.root / path).stat().st_uid for path in (".", "a", "a/b")} == {one.user}
