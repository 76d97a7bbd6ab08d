# SPDX-License-Identifier: Apache-2.0
"""What the demo tells: its stages with their times, its promises, and commands as a person types them."""

import contextlib
import io
import json
import shlex
import string
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from node0 import cli
from node0.commands.model import model_options

HERE = Path(__file__).parent
ROOT = HERE.parent / "build" / "demo"
LOG = ROOT / "demo.log"
"What the commands say on stderr, where that is no terminal."

PROGRAMS = {"node0": cli.main, "gt-model": model_options.main}

# A pipe has no width of its own; 80 columns would fold every path.
console = Console(highlight=False, width=None if sys.stdout.isatty() else 120)


@dataclass
class Story:
    """What the demo has done so far."""

    started: float = field(default_factory=time.monotonic)
    stages: list[tuple[str, str, str, float]] = field(default_factory=list)
    "Stage, what it made, where, seconds."

    broken: list[str] = field(default_factory=list)
    "Promises that were not kept."

    @contextlib.contextmanager
    def stage(self, name: str, where: Path | str) -> Iterator[list[str]]:
        """Time one stage; what it appends to the list is told."""
        told: list[str] = []
        begun = time.monotonic()
        yield told
        seconds = time.monotonic() - begun
        self.stages.append((name, "; ".join(told), str(where), seconds))
        console.print(f"[bold]{name}[/bold] {'; '.join(told)} [dim]({seconds:.1f} s)[/dim]")

    def promise(self, kept: bool, what: str) -> None:
        """Remember a promise that was not kept."""
        if not kept:
            self.broken.append(what)


@dataclass(frozen=True)
class TownShell:
    """Runs commands of node0 in a town, and shows each as it is typed there."""

    town: Path

    def __call__(self, line: str, *, code: int = 0) -> str:
        """Run a command; what it prints. The demo ends where it ends with another code."""
        self.show(line)
        return self._run(line, code)

    def each(self, line: str, values: Sequence[object]) -> None:
        """Run a command for each value, which stands in it as `$n`."""
        self.show(f"for n in {' '.join(map(str, values))}; do {line}; done")
        for value in values:
            self._run(line, 0, n=value)

    def rows(self, line: str) -> list[dict[str, Any]]:
        """The JSON of a command that only looks, which is not shown."""
        found: list[dict[str, Any]] = json.loads(self._run(f"{line} --json", 0))
        return found

    def show(self, line: str) -> None:
        """Show a line as it is typed."""
        console.print(f"$ {line}", style="dim", markup=False)

    def _run(self, line: str, code: int, **values: object) -> str:
        program, *words = shlex.split(string.Template(line).substitute(values, EXAMPLES=HERE))
        with contextlib.chdir(self.town):
            return call(PROGRAMS[program], *words, code=code)


def call(command: Callable[[Sequence[str]], int], *arguments: object, code: int = 0) -> str:
    """Run a command; what it prints. The demo ends where it ends with another code."""
    words = [str(argument) for argument in arguments]
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        found = command(words)
    if found != code:
        console.print(f"[red]{words[0]} ... ended with {found}[/red]; see {LOG}")
        raise SystemExit(found or 1)
    return printed.getvalue()


def finish(story: Story) -> int:
    """Say what was made, where, and what was broken."""
    table = Table(title="What the demo made", title_justify="left")
    for column in ("stage", "what", "where", "seconds"):
        table.add_column(column, overflow="fold", justify="right" if column == "seconds" else "left")
    for name, what, where, seconds in story.stages:
        table.add_row(name, what, where.replace(f"{HERE.parent}/", ""), f"{seconds:.1f}")
    table.add_row("All", "", "", f"{time.monotonic() - story.started:.1f}")
    console.print(table)
    for what in story.broken:
        console.print(f"[red]not kept:[/red] {what}", markup=True)
    return 1 if story.broken else 0
