# SPDX-License-Identifier: Apache-2.0
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from node0.errors import NotFound
from node0.finetune.gastown.live_sessions import live_sessions


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The name of a tmux server of its own, with a session of gt's and one of somebody else's."""
    if shutil.which("tmux") is None:
        pytest.skip("no tmux on PATH")
    monkeypatch.setenv("TMUX_TMPDIR", str(tmp_path))
    name = "node0-live"
    gt = ["-e", "GT_ROLE=demo/polecats/onyx", "-e", "GT_AGENT=ft-polecat-v3"]
    for session, told in (("de-onyx", gt), ("mine", [])):
        command = ["tmux", "-L", name, "-f", "/dev/null", "new-session", "-d", "-s", session, *told, "cat"]
        subprocess.run(command, check=True, timeout=20)
    yield name
    subprocess.run(["tmux", "-L", name, "kill-server"], check=True, timeout=20)


def test_sessions_of_gt_are_told_apart_by_their_environment(server: str) -> None:
    (found,) = live_sessions(server)

    assert found[:4] == ("de-onyx", "polecat", "demo", "ft-polecat-v3")
    assert found.since.endswith("+00:00")


def test_no_server_is_no_session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMUX_TMPDIR", str(tmp_path))

    assert live_sessions("node0-nowhere") == []


def test_tmux_that_is_not_installed_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(NotFound, match="tmux is not installed"):
        live_sessions("any")
