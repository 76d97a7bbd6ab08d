# SPDX-License-Identifier: Apache-2.0
"""Stages and trainers as real processes on loopback, and what they leave behind."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import yaml
from tiny_run import make_base, make_corpus, settings

SERVER = [sys.executable, "-m", "node0.run_server"]
SWARM = [
    sys.executable,
    "-c",
    "import sys; from node0.commands.swarm.swarm_options import main; sys.exit(main())",
]
TRAINER = [sys.executable, "-m", "node0.run_finetune"]
LAYERS = {"num_hidden_layers": 4}


def place(directory: Path, **changes: Any) -> Path:
    """A base of four layers, a corpus and run.yaml below `directory`; the file."""
    make_base(directory, **LAYERS)
    make_corpus(directory / "corpus", uneven=True)
    file = directory / "run.yaml"
    file.write_text(yaml.safe_dump(settings(directory, **changes)))
    return file


def finetune(*arguments: str, timeout: float = 240.0) -> "subprocess.CompletedProcess[str]":
    """Run `node0-finetune` to its end."""
    return subprocess.run(
        [*TRAINER, *arguments], capture_output=True, text=True, timeout=timeout, check=False
    )


def init(file: Path, run: Path, *arguments: str) -> None:
    """`node0 swarm init`."""
    subprocess.run([*SWARM, "init", str(run), "--config", str(file), *arguments], check=True, timeout=240)


@contextmanager
def stages(run: Path, members: Sequence[str]) -> Iterator[dict[str, "subprocess.Popen[bytes]"]]:
    """A process for each member, which is ended; their logs are `run/NAME.log`."""
    running: dict[str, subprocess.Popen[bytes]] = {}
    try:
        for name in members:
            running[name] = start(run, name)
        yield running
    finally:
        for process in running.values():
            process.terminate()
        for process in running.values():
            with suppress(subprocess.TimeoutExpired):
                process.wait(60)
            process.kill()
            process.wait()


def start(run: Path, name: str) -> "subprocess.Popen[bytes]":
    """`node0 server` for a member."""
    key = run / "identities" / f"{name}.key"
    with (run / f"{name}.log").open("ab") as log:
        return subprocess.Popen(
            [*SERVER, "--run", str(run), "--identity-path", str(key), "--threads", "1", "--device", "cpu"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )


def descendants(pid: int) -> list[int]:
    """All living processes below one."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                children.setdefault(int(fields[1]), []).append(int(entry.name))
    found, left = [], [pid]
    while left:
        below = children.get(left.pop(), [])
        found += below
        left += below
    return found


def commands(numbers: Sequence[int]) -> dict[int, str]:
    """Their command lines and where the kernel holds them, of those that run."""
    found = {}
    for number in filter(is_alive, numbers):
        with suppress(OSError):
            line = Path(f"/proc/{number}/cmdline").read_bytes().replace(b"\0", b" ").decode()
            found[number] = f"{line[-300:]} in {Path(f'/proc/{number}/wchan').read_text()}"
    return found


def daemons(sockets: Path) -> list[int]:
    """The libp2p daemons whose sockets lie below a directory, without their guards."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            words = (path / "cmdline").read_bytes().split(b"\0")
            is_there = any(word.startswith(b"-listen=") and os.fsencode(sockets) in word for word in words)
            if is_there and words[0].endswith(b"p2pd"):
                found.append(int(path.name))
    return found


def wait_until(condition: Any, seconds: float) -> bool:
    """Whether a condition came true in time."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if condition():
            return True
        time.sleep(0.05)
    return bool(condition())


def kill(process: "subprocess.Popen[Any]") -> None:
    """SIGKILL."""
    os.kill(process.pid, signal.SIGKILL)
    process.wait()


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that nobody has waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
