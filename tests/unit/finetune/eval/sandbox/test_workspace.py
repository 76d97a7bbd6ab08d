# SPDX-License-Identifier: Apache-2.0
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from node0.finetune.eval.sandbox.workspace import DEEPEST, OutsideWorkspace, Unmeasurable, open_workspace


def test_files_are_written_and_read_below_the_root() -> None:
    with open_workspace(own_user=False) as workspace:
        workspace.fill({"a/b/c.txt": "words", "/workspace/d.txt": "more"})

        assert workspace.read("a/b/c.txt") == "words"
        assert workspace.read("d.txt") == "more"
        assert workspace.size()[1] == 4
        root = workspace.root

    assert not root.parent.exists()


@pytest.mark.parametrize(
    "path", ["../x", "/etc/passwd", "a/../../x", "", ".", "a\0b", "a\ud800b", "/workspace"]
)
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


AS_NOBODY = """
import os, sys
from node0.finetune.eval.sandbox.workspace import OutsideWorkspace, Unmeasurable, open_workspace
if os.geteuid() == 0:
    os.setgroups([]); os.setresgid(65534, 65534, 65534); os.setresuid(65534, 65534, 65534)
os.environ["TMPDIR"] = sys.argv[1]
with open_workspace(own_user=False) as workspace:
    workspace.write("a/b/file", "x")
    for place in ("a/b", "a", "."):
        (workspace.root / place).chmod(0)
        try: workspace.size()
        except Unmeasurable as error: print(error)
    try: workspace.write("c", "x")
    except OutsideWorkspace: print("not written")
    print(workspace.read("a/b/file"))
print(os.listdir(sys.argv[1]))
"""
"Root may read what is closed, so this is tried by another user."


def test_closed_directories_are_refused_and_removed() -> None:
    # Not below pytest's own directory, which is closed to another user.
    with open_workspace(own_user=False) as above:
        above.root.parent.chmod(0o755)
        above.root.chmod(0o777)
        done = subprocess.run(
            [sys.executable, "-c", AS_NOBODY, str(above.root)], capture_output=True, text=True, timeout=60
        )

    closed = ["a directory cannot be read: Permission denied"]
    assert done.stdout.splitlines() == [*closed * 3, "not written", "None", "[]"], done.stderr


def _nested(root: Path, levels: int) -> None:
    """Directories in one another, made as a command makes them: no path is as long as all of them."""
    script = f"import os\nfor _ in range({levels}): os.mkdir('d'); os.chdir('d')"
    subprocess.run([sys.executable, "-c", script], cwd=root, check=True, timeout=60)


def test_a_thousand_directories_in_one_another_are_refused_and_removed() -> None:
    with open_workspace(own_user=False) as workspace:
        root = workspace.root
        _nested(root, 1500)
        with pytest.raises(Unmeasurable, match="more than 64 directories"):
            workspace.size()

    assert not root.parent.exists()


def test_directories_are_measured_down_to_the_deepest_that_is_allowed() -> None:
    with open_workspace(own_user=False) as workspace:
        _nested(workspace.root, DEEPEST)

        assert workspace.size()[1] == DEEPEST


def test_a_workspace_that_cannot_be_removed_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "rm").write_text("#!/bin/sh\necho busy >&2\nexit 1\n")
    (tmp_path / "rm").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with caplog.at_level(logging.WARNING), open_workspace(own_user=False) as workspace:
        root = workspace.root

    assert f"{root.parent} is left: busy" in caplog.text
    subprocess.run(["/bin/rm", "-rf", root.parent], check=True, timeout=60)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away")
def test_a_workspace_of_its_own_user_belongs_to_a_number_without_account() -> None:
    with open_workspace(own_user=True) as one, open_workspace(own_user=True) as other:
        one.write("a/b", "x")

        assert one.user != other.user
        assert {(one.root / path).stat().st_uid for path in (".", "a", "a/b")} == {one.user}
