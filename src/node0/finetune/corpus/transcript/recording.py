# SPDX-License-Identifier: Apache-2.0
"""What a harness recorded of a session: where it lies, whether it changed, and what reads it.

Each harness has one class that knows its places (`Harness`); whoever collects knows these protocols only.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Protocol

from node0.finetune.corpus.schema import Source
from node0.finetune.corpus.transcript.trajectory import TranscriptReader


class Beginning(NamedTuple):
    """Where and when a recording begins; empty where it does not tell."""

    cwd: str = ""
    at: str = ""
    "ISO 8601."


NOWHERE = Beginning()


class State(NamedTuple):
    """What tells two states of a recording apart."""

    marks: tuple[tuple[str, int, int], ...]
    "Name, size and time of change of each part."

    size: int
    "Bytes of all parts together."


class Recording(Protocol):
    """One session as a harness recorded it."""

    @property
    def source(self) -> Source:
        """The harness, as entries name it."""
        ...

    @property
    def session_id(self) -> str:
        """As the harness names the session."""
        ...

    def beginning(self) -> Beginning:
        """Where and when it begins."""
        ...

    def state(self) -> State:
        """Its state now.

        Raises:
            OSError: it cannot be read.
        """
        ...

    def readers(self) -> Iterator[TranscriptReader]:
        """What reads it: the main conversation first, then subagents.

        Raises:
            OSError: it cannot be read.
        """
        ...


class Harness(Protocol):
    """A program that runs sessions and keeps a record of them."""

    source: Source

    def recordings(self, homes: Iterable[Path]) -> Mapping[str, Recording]:
        """Every recording under the directories where the harness keeps its own files, by session id."""
        ...

    def recording(self, path: Path) -> Recording | None:
        """The recording that this file is, or begins; None where this harness did not write it."""
        ...


@dataclass(frozen=True)
class FileRecording:
    """A session that lies in files of its own."""

    source: Source
    session_id: str
    paths: tuple[Path, ...]
    "The main conversation first, then subagents."

    read: Callable[[Path], TranscriptReader] = field(repr=False)
    begins: Beginning = NOWHERE

    def beginning(self) -> Beginning:
        """As it was when the recording was found."""
        return self.begins

    def state(self) -> State:
        """Sizes and times of its files, each opened once.

        Raises:
            OSError: one of them cannot be read.
        """
        marks = [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in self.paths]
        return State(tuple(marks), sum(map(_readable_size, self.paths)))

    def readers(self) -> Iterator[TranscriptReader]:
        """A reader for each file, made when it is asked for."""
        return map(self.read, self.paths)


def _readable_size(path: Path) -> int:
    with path.open("rb") as file:
        return file.seek(0, os.SEEK_END)
