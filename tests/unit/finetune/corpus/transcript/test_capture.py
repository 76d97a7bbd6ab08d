# SPDX-License-Identifier: Apache-2.0
import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from node0.errors import NotFound
from node0.finetune.corpus.collector import CorpusCollector
from node0.finetune.corpus.store import CorpusStore
from node0.finetune.corpus.transcript.capture import capture_session

SHOWN = (
    "\x1b[1m❯ Look\x1b[0m at /home/jane\n⏺ I look at it. \x1b]0;title\x07\n"
    + "  ⎿ line\n" * 80
    + "⏺ Done.\n❯\n\n\n"
)


@pytest.fixture
def tmux(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Puts a program named tmux on PATH that knows one session of one server."""

    def show(text: str) -> None:
        (tmp_path / "shown").write_text(text)
        program = tmp_path / "bin" / "tmux"
        program.parent.mkdir(exist_ok=True)
        program.write_text(
            f'#!/bin/sh\ncase "$*" in *"-L mine"*"=de-toast:"*) cat {tmp_path}/shown;; *) exit 1;; esac\n'
        )
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin")

    return show


def test_a_session_is_looked_for_on_every_server_and_comes_without_escapes(
    tmux: Callable[[str], None],
) -> None:
    tmux(SHOWN)

    text = capture_session("de-toast", ["other", "mine"])

    assert text.startswith("❯ Look at /home/jane\n⏺ I look at it. \n")
    assert text.endswith("⏺ Done.\n❯\n")
    with pytest.raises(NotFound, match="de-nobody"):
        capture_session("de-nobody", ["mine"])


def test_tmux_that_is_not_installed_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(NotFound, match="not installed"):
        capture_session("x")


def test_a_live_session_becomes_a_tagged_entry(tmux: Callable[[str], None], tmp_path: Path) -> None:
    tmux(SHOWN)
    store = CorpusStore(tmp_path / "corpus")

    entry = CorpusCollector(store).collect_from_session(
        "de-toast", "gt-a", "polecat", "demo", "success", sockets=["mine"]
    )

    assert entry is not None
    stored = store.get(entry.id)
    assert (stored.source, stored.bead_id, stored.outcome) == ("tmux", "gt-a", "success")
    assert stored.messages[0]["content"] == "Look at /home/USER_1"


@pytest.mark.parametrize("text", ["", "❯ hi\n⏺ ho.\n❯\n", "no turns " * 100])
def test_a_session_with_too_little_is_a_warning_and_no_file(
    tmux: Callable[[str], None], tmp_path: Path, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    tmux(text)
    store = CorpusStore(tmp_path / "corpus")

    with caplog.at_level(logging.WARNING):
        entry = CorpusCollector(store).collect_from_session(
            "de-toast", None, "polecat", "demo", "x", sockets=["mine"]
        )

    assert entry is None
    assert "nothing stored" in caplog.text
    assert store.list() == []
