# SPDX-License-Identifier: Apache-2.0
"""`node0-inference` as a person and a harness meet it: real processes, pipes, signals and tmux."""

import io
import os
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple

import pytest
from integration.endless_model import endless_model

from node0.commands.infer.answer_prompts import SEPARATOR

pytestmark = pytest.mark.integration

TOOL = [sys.executable, "-c", "import sys; from node0.run_inference import main; sys.exit(main())"]
LONG = "100000"
"Tokens that no test waits for."


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return endless_model(tmp_path_factory.mktemp("base"))


@pytest.fixture
def town(tmp_path: Path) -> Path:
    (tmp_path / "town" / "mayor").mkdir(parents=True)
    (tmp_path / "town" / "mayor" / "town.json").write_text("{}")
    return tmp_path / "town"


def _environment() -> dict[str, str]:
    return os.environ | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}


@contextmanager
def _started(base: Path, *flags: str) -> Iterator["Running"]:
    pipe = subprocess.PIPE
    command = [*TOOL, "--model", str(base), *flags]
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, env=_environment()) as tool:
        assert tool.stdin and tool.stdout and tool.stderr
        try:
            yield Running(tool, tool.stdin, tool.stdout, tool.stderr)
        finally:
            tool.kill()


def _unloaded(said: bytes) -> list[str]:
    """What is said besides what is loaded, which comes first."""
    loading, loaded, *rest = said.decode().splitlines()
    assert (loading.split()[0], loaded.split()[0]) == ("loading", "loaded")
    return rest


class Running(NamedTuple):
    """A process and its streams."""

    tool: subprocess.Popen[bytes]
    stdin: IO[bytes]
    stdout: IO[bytes]
    stderr: IO[bytes]

    def write(self, line: bytes) -> None:
        self.stdin.write(line)
        self.stdin.flush()


def _run(*arguments: str, text: str = "", code: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [*TOOL, *arguments], input=text, capture_output=True, text=True, env=_environment(), timeout=120
    )
    assert done.returncode == code, done.stderr
    return done


@pytest.fixture
def waiting(base: Path) -> Iterator[Running]:
    """The tool with stdin still open."""
    with _started(base, "--max-tokens", "4", "--temperature", "0") as running:
        yield running


@pytest.fixture
def answering(base: Path) -> Iterator[Running]:
    """The tool in an answer that has begun and takes long."""
    with _started(base, "--raw", "--max-tokens", LONG, "--seed", "1") as running:
        running.write(b"hello\n")
        assert os.read(running.stdout.fileno(), 1)
        yield running


def test_an_answer_comes_before_the_next_prompt_is_written(waiting: Running) -> None:
    for prompt in (b"one\n", b"two\n"):
        waiting.write(prompt)
        assert waiting.stdout.readline()
        assert waiting.tool.poll() is None
    waiting.stdin.close()

    assert waiting.tool.wait(30) == 0
    assert _unloaded(waiting.stderr.read()) == []


def test_tokens_arrive_one_by_one(answering: Running) -> None:
    arrived = [os.read(answering.stdout.fileno(), 1 << 16) for _ in range(20)]

    assert answering.tool.poll() is None
    # A buffer would fill up first; a busy machine joins a few tokens.
    assert all(1 <= len(piece) < io.DEFAULT_BUFFER_SIZE for piece in arrived)


def test_interrupting_an_answer_leaves_with_130_and_one_line(answering: Running) -> None:
    answering.tool.send_signal(signal.SIGINT)
    answering.stdout.read()

    assert answering.tool.wait(30) == 130
    assert _unloaded(answering.stderr.read()) == ["interrupted"]


def test_interrupting_a_waiting_tool_leaves_with_130(waiting: Running) -> None:
    waiting.write(b"one\n")
    waiting.stdout.readline()

    waiting.tool.send_signal(signal.SIGINT)

    assert waiting.tool.wait(30) == 130
    assert _unloaded(waiting.stderr.read()) == ["interrupted"]


def _shell(line: str, base: Path) -> subprocess.CompletedProcess[str]:
    tool = f"{sys.executable} -c 'import sys; from node0.run_inference import main; sys.exit(main())'"
    line = line.replace("TOOL", f"{tool} --model {base}")
    return subprocess.run(
        ["bash", "-c", line], capture_output=True, text=True, env=_environment(), timeout=120
    )


def test_a_reader_that_leaves_ends_the_tool_quietly(base: Path) -> None:
    line = f"yes hello | TOOL --raw --max-tokens {LONG} | head -c 1 >/dev/null; echo ${{PIPESTATUS[1]}}"

    done = _shell(line, base)

    assert done.stdout == "0\n"
    assert len(_unloaded(done.stderr.encode())) <= 1 and "Traceback" not in done.stderr


def test_a_closed_stdin_ends_and_a_closed_stdout_is_one_line(base: Path) -> None:
    no_stdin = _shell("TOOL <&-", base)
    no_stdout = _shell("echo hello | TOOL >&-", base)

    assert (no_stdin.returncode, no_stdin.stdout, _unloaded(no_stdin.stderr.encode())) == (0, "", [])
    assert no_stdout.returncode == 1
    assert no_stdout.stderr.count("\n") == 1
    assert no_stdout.stderr.startswith("error: standard output is closed")


def test_a_seed_repeats_and_a_role_changes_the_prompt(base: Path) -> None:
    flags = ("--model", str(base), "--max-tokens", "40", "--seed", "7")

    first, second = _run(*flags, text="hello\n"), _run(*flags, text="hello\n")
    deacon = _run(*flags, "--role", "deacon", text="hello\n")

    assert first.stdout == second.stdout != deacon.stdout
    assert _unloaded(first.stderr.encode()) == []


def test_a_whole_file_is_one_prompt(base: Path, tmp_path: Path) -> None:
    (tmp_path / "prompt.txt").write_text("one\ntwo\n")
    flags = ("--model", str(base), "--max-tokens", "3", "--temperature", "0", "--raw")

    from_stdin = _run(*flags, "--file", "-", text="one\ntwo\n")
    from_file = _run(*flags, "--file", str(tmp_path / "prompt.txt"))

    assert from_stdin.stdout == from_file.stdout != ""
    assert "cannot read the prompt" in _run(*flags, "--file", str(tmp_path / "none"), code=1).stderr


def test_a_registered_model_answers_and_a_changed_one_is_refused(base: Path, town: Path) -> None:
    from node0.commands.model.model_options import main

    at = ("--town", str(town))
    assert main(["register", str(base), "--name", "deacon-v1", "--role", "deacon", *at]) == 0
    flags = ("--max-tokens", "4", "--temperature", "0", *at)

    answer = _run("--model", "deacon-v1", *flags, text="hello\n")
    assert answer.stdout == _run("--model", str(base), "--role", "deacon", *flags, text="hello\n").stdout

    unknown = _run("--model", "decon-v1", *flags, text="hello\n", code=1)
    loading, said = unknown.stderr.splitlines()
    assert loading == "loading decon-v1"
    assert "no model 'decon-v1'" in said and "deacon-v1" in said

    weights = next((town / ".models" / "deacon-v1").rglob("model.safetensors"))
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    changed = _run("--model", "deacon-v1", *flags, text="hello\n", code=1)
    assert "model.safetensors does not have the recorded sha256" in changed.stderr


@pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")
def test_it_answers_and_is_interrupted_in_tmux(base: Path, tmp_path: Path) -> None:
    name = f"node0-{uuid.uuid4().hex[:8]}"
    tmux = ["tmux", "-L", name, "-f", "/dev/null"]
    tool = " ".join(f"'{word}'" for word in [*TOOL, "--model", str(base), "--max-tokens", "8", "--raw"])
    script = tmp_path / "session.sh"
    script.write_text(f"{tool} --temperature 0\necho LEFT WITH $?\nsleep 60\n")

    def screen_with(text: str) -> str:
        deadline, capture = time.monotonic() + 120, [*tmux, "capture-pane", "-p"]
        while text not in (seen := subprocess.run(capture, capture_output=True, text=True).stdout):
            assert time.monotonic() < deadline, f"{text!r} never appeared in:\n{seen}"
            time.sleep(0.05)
        return seen

    expected = _run("--model", str(base), "--max-tokens", "8", "--raw", "--temperature", "0", text="hello\n")
    printable = "".join(letter for letter in expected.stdout if letter.isascii() and letter.isprintable())
    subprocess.run(
        [*tmux, "new-session", "-d", "-x", "200", f"bash {script}"], env=_environment(), check=True
    )
    try:
        screen_with("Ctrl-D")
        subprocess.run([*tmux, "send-keys", "hello", "Enter"], check=True)
        assert f"\n{SEPARATOR}\n" in screen_with(SEPARATOR)
        screen_with(printable[:3])
        subprocess.run([*tmux, "send-keys", "C-c"], check=True)
        assert "interrupted" in screen_with("LEFT WITH 130")
    finally:
        subprocess.run([*tmux, "kill-server"], check=False)
