# SPDX-License-Identifier: Apache-2.0
"""Keep what a model answered, so that the same question with the same seed is not asked twice."""

import contextlib
import hashlib
import json
import threading
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

from node0.documents.json_lines import require_json_lines
from node0.files import open_to_append
from node0.finetune.chat.messages import Block, Request
from node0.finetune.eval.running.answerer import Answerer, Sampling
from node0.finetune.eval.running.task import Task


class KeptAnswers:
    """An answerer over another one, with a file of what that one said. Safe to use from several threads."""

    def __init__(self, answerer: Answerer, file: IO[Any], kept: dict[str, list[Block]]) -> None:
        self._answerer, self._file, self._kept = answerer, file, kept
        self._writing = threading.Lock()

    @property
    def name(self) -> str:
        """The other one's."""
        return self._answerer.name

    @property
    def digest(self) -> str:
        """The other one's."""
        return self._answerer.digest

    def answer(self, task: Task, request: Request, sampling: Sampling) -> list[Block]:
        """What was answered before, or is now."""
        key = _key(self.digest, request, sampling)
        if key not in self._kept:
            answer = self._answerer.answer(task, request, sampling)
            with self._writing:
                self._file.write(json.dumps({"key": key, "answer": answer}).encode() + b"\n")
                self._file.flush()
            self._kept[key] = answer
        return self._kept[key]


@contextlib.contextmanager
def keeping(answerer: Answerer, path: Path) -> Iterator[KeptAnswers]:
    """The answerer with a file of JSON lines; a line that was torn when a process died is left out.

    Raises:
        BadCheckpoint: a line of the file is not of this program.
    """
    kept = {row["key"]: row["answer"] for row in require_json_lines(path)}
    with open_to_append(path) as file:
        end_torn_line(file)
        yield KeptAnswers(answerer, file, kept)


def end_torn_line(file: IO[bytes]) -> None:
    """Cut what a writer left in the middle of a line."""
    size = file.seek(0, 2)
    while size:
        step = min(size, 4096)
        file.seek(size - step)
        at = file.read(step).rfind(b"\n")
        if at >= 0:
            size = size - step + at + 1
            break
        size -= step
    file.truncate(size)


def _key(digest: str, request: Request, sampling: Sampling) -> str:
    asked = json.dumps([digest, request, asdict(sampling)], sort_keys=True)
    return hashlib.sha256(asked.encode()).hexdigest()
