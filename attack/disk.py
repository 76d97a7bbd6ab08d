# SPDX-License-Identifier: Apache-2.0
"""A disk that takes no more, or nothing at all, while a town is collected: one line, and nothing is lost.

The disk fills by a bound on how large a file may grow, which any user may set, and which stops writes in
their middle as a full disk does. Nothing may be written where the directories are somebody else's.
"""

import contextlib
import io
import multiprocessing
import os
import random
import resource
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

from attack.round import Chance, Fall, Outcome
from node0.cli import main
from node0.finetune.corpus.store import CorpusStore
from town.generator.build import TownPlan, build_town

NOBODY = 65534
LARGEST = 60_000
"Bytes that a file of the sample town's corpus never reaches."

TOLD = "told"


def full_disk(chance: Chance) -> Outcome:
    """Collect with writes that fail at a drawn size, then without: the corpus equals an undisturbed one."""
    whole = _town(chance.place / "whole")
    _collect(whole)
    draw, outcome = random.Random(chance.seed), Outcome()
    until = time.monotonic() + chance.seconds
    while time.monotonic() < until and not outcome.falls:
        outcome.tried += 1
        _fill_once(outcome, whole, chance.place, size=int(LARGEST ** draw.random()))
    return outcome


def _fill_once(outcome: Outcome, whole: Path, place: Path, *, size: int) -> None:
    """Collect a copy of a town, which has that town's key, so that the same stand-ins come out."""
    town = shutil.copytree(whole, place / "town")
    shutil.rmtree(town / ".corpus")
    _judge(outcome, _in_child(lambda: _collect(town), before=lambda: _fill(size)), size)
    _collect(town)
    if _entries(town) != _entries(whole):
        outcome.falls.append(Fall(f"after a full disk at {size} bytes the corpus is another one"))
    shutil.rmtree(town)


def read_only(chance: Chance) -> Outcome:
    """Collect, list and look where nothing may be written."""
    town = _town(chance.place / "town")
    _collect(town)
    expected, outcome = _entries(town), Outcome()
    chance.place.chmod(0o755)
    for path in [town, *town.rglob("*")]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    commands = [["corpus", word, "--town", str(town)] for word in ("collect", "list", "stats", "audit")]
    for command in [*commands, ["corpus", "retract", "nobody", "--delete", "--town", str(town)]]:
        outcome.tried += 1
        _judge(outcome, _in_child(lambda: _run(command), before=_become_nobody), 0)  # noqa: B023  # at once
    if _entries(town) != expected:
        outcome.falls.append(Fall("a corpus that is read-only changed"))
    for path in [town, *town.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)
    return outcome


def _judge(outcome: Outcome, told: tuple[int | None, str], size: int) -> None:
    code, said = told
    errors = [line for line in said.splitlines() if line.startswith("error: ")]
    outcome.refused += code != 0
    if code is None or code < 0 or "Traceback" in said or "unexpected" in said:
        outcome.falls.append(Fall(f"at {size} bytes: exit code {code}, {' '.join(said.split())[-300:]}"))
    elif code != 0 and len(errors) != 1:
        outcome.falls.append(Fall(f"at {size} bytes: {len(errors)} lines for exit code {code}"))


def _in_child(work: Callable[[], tuple[int, str]], *, before: Callable[[], None]) -> tuple[int | None, str]:
    """Exit code and words of a command in a process that something was done to before."""
    reading, writing = multiprocessing.Pipe(duplex=False)

    def child() -> None:
        before()
        writing.send(work())

    process = multiprocessing.get_context("fork").Process(target=child)
    process.start()
    writing.close()
    told = reading.recv() if reading.poll(120) else (None, "it does not end")
    process.join(10)
    if process.is_alive():
        process.kill()
        process.join()
    return told


def _fill(size: int) -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def _become_nobody() -> None:
    if os.geteuid() == 0:
        os.setgid(NOBODY)
        os.setuid(NOBODY)


def _town(root: Path) -> Path:
    plan = TownPlan(sessions={"deacon": 2, "witness": 1, "polecat": 1}, secrets=2, people=1, rolls=1)
    build_town(root, root.with_name(f"{root.name}-planted.json"), plan)
    (root / "mayor").mkdir(exist_ok=True)
    (root / "mayor" / "town.json").write_text("{}")
    return root


def _collect(town: Path) -> tuple[int, str]:
    return _run(["corpus", "collect", "--town", str(town)])


def _run(words: list[str]) -> tuple[int, str]:
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        code = main(words)
    return code, said.getvalue()


def _entries(town: Path) -> dict[str, str]:
    return {entry.id: entry.content_digest for entry in CorpusStore(town / ".corpus").list()}
