# SPDX-License-Identifier: Apache-2.0
"""`node0 chat` as a person meets it: typed into a real terminal, over a model of its own and over a URL."""

import os
import shlex
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from integration.endless_model import endless_model
from integration.served_process import serving
from serving_parts import scripted_http_engine
from tiny_run import make_base

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed"),
]

CHAT = [sys.executable, "-c", "import sys; from node0.cli import main; sys.exit(main())", "chat"]
SECONDS = 200
"For whatever is to be shown; a loaded machine takes long to import torch."

CALL = '<tool_call>{"name": "Bash", "arguments": {"command": "gt status"}}</tool_call>'


class Terminal:
    """A terminal in tmux, with a chat in it."""

    def __init__(self) -> None:
        self._tmux = ["tmux", "-L", f"node0-{uuid.uuid4().hex[:8]}", "-f", "/dev/null"]

    def start(self, script: Path, *flags: str | Path) -> None:
        script.write_text(f"{shlex.join(map(str, [*CHAT, *flags]))}\necho LEFT WITH $?\nsleep 60\n")
        environment = os.environ | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
        command = ["new-session", "-d", "-x", "150", "-y", "50", f"bash {script}"]
        subprocess.run([*self._tmux, *command], env=environment, check=True)

    def keys(self, *keys: str) -> None:
        subprocess.run([*self._tmux, "send-keys", *keys], check=True)

    def shows(self, text: str) -> str:
        """All that was shown, once this is in it."""
        return self._until(lambda seen: text in seen, what=repr(text))

    def asks(self) -> None:
        """Wait until a line may be typed: keys that come before are the terminal's own affair."""
        self._until(lambda seen: seen.rstrip().endswith(">>>"), what="the prompt")

    def answers(self, typed: str) -> None:
        """Wait until an answer to what was typed has begun."""
        self._until(lambda seen: seen.partition(f">>> {typed}")[2].strip(), what="an answer")

    def _until(self, holds: Callable[[str], object], *, what: str) -> str:
        deadline = time.monotonic() + SECONDS
        capture = [*self._tmux, "capture-pane", "-p", "-S", "-"]
        while not holds(seen := subprocess.run(capture, capture_output=True, text=True).stdout):
            assert time.monotonic() < deadline, f"{what} never appeared in:\n{seen}"
            time.sleep(0.05)
        return seen

    def end(self) -> None:
        subprocess.run([*self._tmux, "kill-server"], check=False)


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    found = Terminal()
    yield found
    found.end()


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_base(tmp_path_factory.mktemp("model"), max_seq_len=4096)


def test_ctrl_c_stops_an_answer_and_not_the_chat(tmp_path: Path, terminal: Terminal) -> None:
    endless = endless_model(tmp_path / "endless")
    terminal.start(tmp_path / "chat.sh", endless, "--max-tokens", "60000", "--device", "cpu")
    terminal.asks()
    seen = terminal.shows(">>>")
    assert seen.index("loading ") < seen.index("loaded ") < seen.index(" answers (")

    terminal.keys("hello", "Enter")
    terminal.answers("hello")
    terminal.keys("C-c")
    terminal.shows("stopped")
    terminal.asks()
    terminal.keys("C-c")
    terminal.shows("Ctrl-D or /bye leaves")
    terminal.keys("/set max_tokens 3", "Enter")
    terminal.shows("max_tokens is 3.")
    terminal.keys("/clear", "Enter")
    terminal.shows("The conversation is forgotten.")
    terminal.keys("hello", "Enter")
    terminal.shows("cut after 3 tokens")
    terminal.asks()
    terminal.keys("C-d")

    assert "Traceback" not in terminal.shows("LEFT WITH 0")


def test_a_server_is_talked_with_lines_are_edited_and_calls_are_shown(
    base: Path, tmp_path: Path, terminal: Terminal
) -> None:
    with (
        scripted_http_engine(f"I look. {CALL}", "All is well.", "Well.") as engine,
        serving("--model", f"tiny={base}", "--engine", "vllm", "--engine-url", engine.url) as served,
    ):
        terminal.start(tmp_path / "chat.sh", "--url", served.url, "--role", "deacon")
        terminal.shows("tiny answers (at http://127.0.0.1:")
        terminal.asks()
        terminal.keys("how is rustX", "BSpace", "Enter")
        terminal.shows('→ Bash {"command": "gt status"}')
        terminal.shows("result of Bash>")
        terminal.keys("rust is stale", "Enter")
        terminal.shows("All is well.")
        terminal.keys('"""two', "Enter", 'lines"""', "Enter")
        terminal.shows("\nWell.")
        terminal.keys("/bye", "Enter")
        terminal.shows("LEFT WITH 0")

    asked = [len(body["prompt"]) for body in engine.bodies]
    assert len(asked) == 3 and asked == sorted(asked)
