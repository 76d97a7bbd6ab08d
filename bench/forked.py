# SPDX-License-Identifier: Apache-2.0
"""Members of a swarm as forked processes, for benches that start and kill many of them.

A fork has everything loaded that a command would load first, so that a member is there at once. Whoever uses
this runs no thread before.
"""

import os
import signal
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

import yaml
from tiny_run import make_base, make_corpus, settings

from node0 import run_finetune, run_server
from node0.commands.server import hold_stage
from node0.commands.swarm import swarm_options
from node0.finetune.training.engines import remote_stages
from node0.utils.rank_end import end_rank

STAGES = ("head-0", "body-1", "tail-2")
TRAINER = "trainer"
ADAPTER = "adapter_model.safetensors"

LOADED = (hold_stage.hold_stage, remote_stages.RemoteStages)
"What the commands load when they are called is loaded here once, for all processes that are forked."

Main = Callable[[Sequence[str]], int]


def make_place(root: Path) -> None:
    """A base of four layers and a corpus below `root`."""

    def make(arguments: Sequence[str]) -> int:
        make_base(root, num_hidden_layers=4)
        make_corpus(root / "corpus", uneven=True)
        return 0

    call(make, [], root / "place.log")


def configure(root: Path, result: Path, **changes: object) -> Path:
    """The file of a run over the base and the corpus in `root`, into `result`."""
    result.parent.mkdir(exist_ok=True)
    file = result.parent / f"{result.name}.yaml"
    file.write_text(yaml.safe_dump({**settings(root, **changes), "checkpoint_dir": str(result)}))
    return file


def init(file: Path, run: Path) -> None:
    """`node0 swarm init` of three stages."""
    call(
        swarm_options.main,
        ["init", str(run), "--config", str(file), "--stages", "3"],
        file.with_suffix(".log"),
    )


def start(run: Path, member: str, log: Path) -> int:
    """Start a stage or the trainer as its command would; its process."""
    if member == TRAINER:
        return spawn(run_finetune.main, ["--swarm", "--run", str(run)], log)
    key = run / "identities" / f"{member}.key"
    arguments = ["--run", str(run), "--identity-path", str(key), "--threads", "1", "--device", "cpu"]
    return spawn(run_server.main, arguments, log)


def spawn(command: Main, arguments: Sequence[str], log: Path) -> int:
    """Run a command in a process of its own; its id."""
    pid = os.fork()
    if pid == 0:
        _become(command, arguments, log)
    return pid


def stand_back(nice: int) -> None:
    """Let others compute before this process and what it starts; with 19 it has what they leave.

    Where Linux groups processes by session, niceness counts within a session alone, and the session has one
    of its own.
    """
    os.nice(nice)
    with suppress(FileNotFoundError):
        Path("/proc/self/autogroup").write_text(str(nice))


def call(command: Main, arguments: Sequence[str], log: Path) -> None:
    """Run a command in a process of its own, to its end; it ends too where this one is told to."""
    pid = spawn(command, arguments, log)
    try:
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    except BaseException:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        raise
    if code:
        raise SystemExit(f"{' '.join(arguments)} ended with code {code}: {log.read_text()[-2000:]}")


def ended(pid: int) -> int | None:
    """The code of a process of ours that has ended; None while it runs."""
    try:
        found, status = os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return 0
    return os.waitstatus_to_exitcode(status) if found else None


def _become(command: Main, arguments: Sequence[str], log: Path) -> NoReturn:
    """Be the command, with its output in `log`, and end with its code."""
    try:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)  # not as the bench hears it
        os.setsid()
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(output, 1)
        os.dup2(output, 2)
        end_rank(command(arguments))
    except BaseException:  # noqa: BLE001  # whatever it is, this process must not go on as the bench
        traceback.print_exc()
        os._exit(70)
