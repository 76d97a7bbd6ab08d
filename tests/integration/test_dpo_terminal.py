# SPDX-License-Identifier: Apache-2.0
"""`node0 dpo review` and `choose` as a person meets them: two answers side by side in a real terminal."""

import json
import os
import pty
import subprocess
import sys
import time
from pathlib import Path

import pytest
from dpo_registry import fill, session
from tiny_chat import calls, recorded, result, user

from node0.cli import main as node0
from node0.finetune.corpus.store import CorpusStore
from node0.finetune.registry.store import ModelRegistry
from node0.town import Town

pytestmark = pytest.mark.integration

TOOL = [sys.executable, "-c", "import sys; from node0.cli import main; sys.exit(main())", "dpo"]
STEERS = "\x1b]0;root@host\x07"


class Typist:
    """A command in a terminal of 100 columns, with what it shows."""

    def __init__(self, *arguments: str) -> None:
        self._ours, its = pty.openpty()
        environment = os.environ | {"NO_COLOR": "1", "TERM": "dumb", "COLUMNS": "100"}
        self.process = subprocess.Popen(
            [*TOOL, *arguments], stdin=its, stdout=its, stderr=its, env=environment
        )
        os.close(its)
        self.shown = ""

    def __enter__(self) -> "Typist":
        return self

    def __exit__(self, *error: object) -> None:
        self.process.kill()
        self.process.wait(60)

    def type(self, line: str) -> None:
        """Wait until something is asked for, and answer."""
        deadline = time.monotonic() + 60
        while not self.shown.endswith("[q]uit> "):
            assert time.monotonic() < deadline, self.shown
            self.shown += os.read(self._ours, 65536).decode().replace("\r\n", "\n")
        os.write(self._ours, f"{line}\n".encode())
        self.shown += "\n"

    def leave(self) -> int:
        """The exit code, with everything that was shown read."""
        try:
            while piece := os.read(self._ours, 65536):
                self.shown += piece.decode().replace("\r\n", "\n")
        except OSError:
            pass  # Linux's way to say that the other side is closed.
        os.close(self._ours)
        return self.process.wait(60)


def _beside(shown: str, left: str, right: str) -> bool:
    return any(0 <= line.find(left) < line.find(right) for line in shown.splitlines())


def test_a_mined_pair_is_looked_at_and_accepted(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    at = ["--town", str(tmp_path)]
    for outcome, did in {"success": "oil", "failure": "kick"}.items():
        turns = [user(f"Mend the gate. {STEERS}"), calls("gt look"), result("shut"), calls(f"gt {did}")]
        CorpusStore(Town(tmp_path)).add(recorded(turns, id=did, session_id=f"s-{outcome}", outcome=outcome))
    assert node0(["dpo", "mine", *at]) == 0
    with Typist("review", *at) as typist:
        typist.type("a it oiled the gate")
        code = typist.leave()

    assert code == 0
    assert _beside(typist.shown, "better?", "worse?")
    assert _beside(typist.shown, "gt oil", "gt kick")
    assert "user: ← shut" in typist.shown
    assert "\x1b]0;" not in typist.shown
    assert "\\x1b]0;root@host" in typist.shown
    capfd.readouterr()
    assert node0(["dpo", "export", "deacon", str(tmp_path / "pairs.jsonl"), *at]) == 0
    (pair,) = map(json.loads, (tmp_path / "pairs.jsonl").read_text().splitlines())
    assert pair["origin"]["entries"] == ["oil", "kick"]


def test_the_better_side_of_a_task_is_chosen_by_its_letter(tmp_path: Path) -> None:
    at, town = ["--town", str(tmp_path)], Town(tmp_path)
    registry = ModelRegistry(town)
    fill(registry)
    registry.close()
    assert node0(["dpo", "compare", "gt-1", "pc:1", "pc:2", *at]) == 0
    for side, did in {"a": "I kick it.", "b": "I oil it."}.items():
        CorpusStore(town).add(session(side, did))
        assert node0(["dpo", "attach", "gt-1", side, "--side", side, *at]) == 0
    with Typist("choose", *at) as typist:
        typist.type("b")
        code = typist.leave()

    assert code == 0
    assert _beside(typist.shown, "I kick it.", "I oil it.")
    assert "pc:" not in typist.shown[: typist.shown.index("[q]uit> ")]
    assert "gt-1: that was pc:2" in typist.shown
