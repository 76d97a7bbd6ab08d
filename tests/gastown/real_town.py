# SPDX-License-Identifier: Apache-2.0
"""A town that the real gt makes in a home of its own, with a rig, beads and a Dolt server."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from node0.town import Town

ROOT = Path(__file__).parents[2]
TOOLS = ROOT / ".town-tools" / "bin"
HARNESSES = ROOT / ".town-tools" / "npm" / "node_modules" / ".bin"
SECONDS = 120


def why_not(*harnesses: str) -> str | None:
    """What is missing for a real town, and for these harnesses in it; None where nothing is."""
    places = os.pathsep.join([str(TOOLS), str(HARNESSES), os.environ.get("PATH", "")])
    wanted = ("gt", "bd", "dolt", "tmux", "git", *harnesses)
    missing = [name for name in wanted if shutil.which(name, path=places) is None]
    return f"not on PATH: {', '.join(missing)} (gt and bd are a user's own)" if missing else None


@dataclass(frozen=True)
class RealTown:
    """The town, and the home of whoever runs it."""

    home: Path
    root: Path

    def run(self, *words: str | Path, code: int | None = 0) -> str:
        """What a program says, with nothing of our environment; `code` None takes any exit code."""
        done = subprocess.run(
            [_found(str(words[0])), *words[1:]],
            cwd=self.root if self.root.is_dir() else self.home,
            env=environment(self.home),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SECONDS,
        )
        assert code is None or done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    def doctor(self) -> list[str]:
        """What `gt doctor` finds wrong."""
        lines = self.run("gt", "doctor", code=None).splitlines()
        assert any("FAILURES" in line or "WARNINGS" in line or "passed" in line for line in lines)
        return [line for line in lines if "✖" in line or "⚠" in line]

    def tmux(self, *words: str) -> str:
        """What the town's tmux server says; empty where there is none."""
        return self.run("tmux", "-L", Town(self.root).tmux_socket, *words, code=None)

    def panes(self) -> str:
        """What every session shows; empty where there is none."""
        names = re.findall(r"^name=(.*)", self.tmux("list-sessions", "-F", "name=#S"), re.MULTILINE)
        return "\n".join(f"== {name}\n{self.tmux('capture-pane', '-p', '-t', name)}" for name in names)

    def running(self, role: str) -> list[str]:
        """The agents of ours for a role whose harness runs, by the settings file that it was given."""
        agents = re.escape(str(Town(self.root).models / "agents"))
        pattern = re.compile(rf"{agents}/(ft-{role}-v\d+)/".encode())
        commands = (read(path) for path in Path("/proc").glob("[0-9]*/cmdline"))
        return sorted({found[1].decode() for line in commands if (found := pattern.search(line))})

    def node0(self, *words: str | Path, code: int | None = 0) -> str:
        """What our own command says."""
        program = "import sys; from node0.cli import main; sys.exit(main())"
        return self.run(sys.executable, "-c", program, *words, code=code)


def environment(home: Path) -> dict[str, str]:
    """A home, the programs, and our sources."""
    places = [
        TOOLS,
        HARNESSES,
        *{Path(found).parent for name in ("gt", "bd") if (found := shutil.which(name))},
    ]
    path = [*map(str, places), str(Path(sys.executable).parent), "/usr/local/bin", "/usr/bin", "/bin"]
    return {
        "HOME": str(home),
        "PATH": os.pathsep.join(path),
        "PYTHONPATH": str(ROOT / "src"),
        "COLUMNS": "80",
        "TERM": "dumb",
        # What Claude Code asks for where its user is root, and of a program that nobody keeps up to date.
        "IS_SANDBOX": "1",
        "DISABLE_AUTOUPDATER": "1",
    }


@contextmanager
def real_town(home: Path) -> Iterator[RealTown]:
    """A town with one rig; its Dolt server ends with the block."""
    town = RealTown(home, home / "gt")
    person = {"user.name": "Ada", "user.email": "ada@example.org"}
    for key, value in person.items():
        town.run("git", "config", "--global", key, value)
        town.run("dolt", "config", "--global", "--add", key, value)
    source = home / "source"
    town.run("git", "init", "-q", "-b", "main", source)
    town.run("git", "-C", source, "commit", "-q", "--allow-empty", "-m", "Begin")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    try:
        town.run("gt", "install", town.root, "--git", "--dolt-port", str(port))
        town.run("gt", "rig", "add", "demo", f"file://{source}")
        yield town
    finally:
        # It may say "process not initialized" and leave the server, which is ours to end then.
        town.run("gt", "dolt", "stop", code=None)
        for number in (signal.SIGTERM, signal.SIGKILL):
            _end(town.root, number)


def _end(root: Path, number: signal.Signals) -> None:
    """Signal the town's Dolt servers that are left, and wait for them."""
    for pid in _running(root):
        os.kill(pid, number)
    deadline = time.monotonic() + 15
    while _running(root) and time.monotonic() < deadline:
        time.sleep(0.1)


def _running(root: Path) -> list[int]:
    mark = str(root / ".dolt-data").encode()
    commands = ((path, read(path)) for path in Path("/proc").glob("[0-9]*/cmdline"))
    return [int(path.parent.name) for path, line in commands if b"sql-server" in line and mark in line]


def read(path: Path) -> bytes:
    """What a file of a process says; empty where the process has ended."""
    try:
        return path.read_bytes()
    except OSError:
        return b""  # it has ended


def _found(name: str) -> str:
    return shutil.which(name, path=environment(Path("/"))["PATH"]) or name
