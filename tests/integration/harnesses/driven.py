# SPDX-License-Identifier: Apache-2.0
"""Drive a real harness through scripted sessions, in a home of its own.

Each harness says how it is started, how it goes on with its last session, and what its tools are called; the
script is the same.
"""

import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from collected_town import SECRET
from harness_requests import Sent, sent
from integration.claude_code.model_server import Block, text, tool
from integration.harnesses.scripted_model import FULL_WINDOW, HANG, ScriptedModel

ROOT = Path(__file__).parents[3]
SECONDS = 120
STARTED = "touch begun; echo part; sleep 30; echo never"


def find_program(name: str) -> Path | None:
    """The one that `make town-tools` installed, else the one on PATH, else None."""
    installed = ROOT / ".town-tools" / "npm" / "node_modules" / ".bin" / name
    on_path = shutil.which(name)
    return installed if installed.exists() else Path(on_path) if on_path else None


class Driver(Protocol):
    """How one harness is used."""

    name: str
    program: str
    failing: Block
    "A call that a tool refuses."

    keeps_streamed: bool
    "Whether the words of an answer are recorded before the answer has ended."

    def shell(self, command: str) -> Block:
        """A call that runs a command."""
        ...

    def prepare(self, home: Path, url: str) -> dict[str, str]:
        """Write its settings; the environment that it needs beside the common one."""
        ...

    def arguments(self, prompt: str, *, again: bool) -> list[str]:
        """For one run without a terminal; `again` goes on with the last session."""
        ...

    def kept(self, home: Path) -> Path:
        """Where it keeps its sessions."""
        ...


class Driven(NamedTuple):
    """What a session left behind."""

    requests: list[Sent]
    home: Path
    kept: Path


@dataclass(frozen=True)
class _Home:
    driver: Driver
    program: Path
    path: Path

    @property
    def project(self) -> Path:
        return self.path / "rig"

    def run(self, model: ScriptedModel, prompt: str, *, again: bool = False, until: Any = None) -> None:
        """One run, interrupted as soon as `until` says so, where it is given."""
        self.project.mkdir(parents=True, exist_ok=True)
        fixed = {"HOME": str(self.path), "TMPDIR": str(self.path), "PATH": "/usr/local/bin:/usr/bin:/bin"}
        environment = fixed | self.driver.prepare(self.path, model.url)
        process = subprocess.Popen(
            [str(self.program), *self.driver.arguments(prompt, again=again)],
            cwd=self.project,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        try:
            if until is not None:
                _wait(until, process)
                process.send_signal(signal.SIGINT)
            told, _ = process.communicate(timeout=SECONDS)
        except BaseException:
            process.kill()
            process.communicate()
            raise
        assert until is not None or process.returncode == 0, told[-3000:].decode(errors="replace")


def _wait(until: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + SECONDS
    while not until():
        assert process.poll() is None, "it ended before it could be interrupted"
        assert time.monotonic() < end, "nothing to interrupt came"
        time.sleep(0.1)


def _holds(kept: Path, words: str) -> bool:
    """Whether words stand in any file that a harness keeps."""
    for path in kept.rglob("*"):
        with suppress(OSError):  # it may be gone, or a directory
            if words.encode() in path.read_bytes():
                return True
    return False


def works(driver: Driver, program: Path, home: Path) -> Driven:
    """Two tools at once, two that fail, one that is not there; then an answer that is cut, and a resume."""
    place = _Home(driver, program, home)
    secret = f"sleep 0.3; echo GITHUB_TOKEN={SECRET}"
    kept = driver.kept(home)
    answers: list[list[Block]] = [
        [text("I run both."), driver.shell(secret), driver.shell("echo quick")],
        [driver.shell("echo broken >&2; exit 3"), driver.failing],
        [tool("levitate", height=3)],
        [text("Done.")],
        [text("I begin"), HANG],
        [text("I went on.")],
    ]
    with ScriptedModel(answers) as model:

        def is_cut() -> bool:
            return model.hanging.is_set() and (_holds(kept, "I begin") or not driver.keeps_streamed)

        place.run(model, "Run both.")
        place.run(model, "Cut this.", again=True, until=is_cut)
        place.run(model, "Go on.", again=True)
        return Driven([sent(body) for body in model.bodies], home, driver.kept(home))


def cut_tool(driver: Driver, program: Path, home: Path) -> Driven:
    """Interrupted while a command runs, and another one waits."""
    place = _Home(driver, program, home)
    answers = [[text("I wait."), driver.shell(STARTED), driver.shell("echo second")], [text("I went on.")]]
    with ScriptedModel(answers) as model:

        def is_cut() -> bool:
            begun = (place.project / "begun").exists()
            time.sleep(2 if begun else 0)  # what the command printed is shown, and recorded, a little later
            return begun

        place.run(model, "Wait.", until=is_cut)
        place.run(model, "Go on.", again=True)
        return Driven([sent(body) for body in model.bodies], home, driver.kept(home))


def compacted(driver: Driver, program: Path, home: Path) -> Driven:
    """The window is nearly full: the harness asks for a summary and goes on with that."""
    place = _Home(driver, program, home)
    answers: list[list[Block]] = [
        [text("One."), driver.shell("echo one")],
        [text("Two."), FULL_WINDOW],
        [text("All was well.")],
        [text("Three.")],
        [text("Four.")],
    ]
    with ScriptedModel(answers) as model:
        place.run(model, "Begin.")
        place.run(model, "Go on.", again=True)
        return Driven([sent(body) for body in model.bodies], home, driver.kept(home))


SESSIONS: dict[str, Callable[[Driver, Path, Path], Driven]] = {
    "works": works,
    "cut_tool": cut_tool,
    "compacted": compacted,
}
