# SPDX-License-Identifier: Apache-2.0
"""Rollouts of Codex, with those of the subagents that they began."""

import logging
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path

from node0.finetune.corpus.schema import Source
from node0.finetune.corpus.transcript.codex.rollout import Rollout, RolloutHead, rollout_head
from node0.finetune.corpus.transcript.recording import Beginning, FileRecording, Recording

logger = logging.getLogger(__name__)

PLACES = ("sessions/*/*/*/rollout-*.jsonl", "archived_sessions/rollout-*.jsonl")


class Codex:
    """Reads `sessions` and `archived_sessions` in Codex's home; a `Harness`."""

    source: Source = "codex"

    def recordings(self, homes: Iterable[Path]) -> Mapping[str, Recording]:
        """Sessions by id: what a person began, with its subagents' rollouts."""
        heads = dict(_heads(path for home in homes for place in PLACES for path in sorted(home.glob(place))))
        by_id = {head.session_id: path for path, head in heads.items()}
        agents: dict[str, list[Path]] = {}
        for path, head in heads.items():
            agents.setdefault(head.parent, []).append(path)
        return {
            name: self._made(heads[path], path, agents.get(name, []))
            for name, path in by_id.items()
            if heads[path].parent not in by_id
        }

    def recording(self, path: Path) -> Recording | None:
        """A rollout alone."""
        head = rollout_head(path)
        return self._made(head, path, []) if head else None

    def _made(self, head: RolloutHead, path: Path, agents: list[Path]) -> FileRecording:
        paths = (path, *agents)
        begins = partial(_beginning, head)
        return FileRecording(self.source, head.session_id, paths, partial(_read, path), begins)


def _read(main: Path, path: Path) -> Rollout:
    return Rollout(path, agent=path != main)


def _beginning(head: RolloutHead, path: Path) -> Beginning:
    return Beginning(head.cwd, head.at)


def _heads(paths: Iterable[Path]) -> Iterator[tuple[Path, RolloutHead]]:
    """What rollouts say of themselves; pipes, devices and links are none."""
    for path in paths:
        if not path.is_file() or path.is_symlink():
            continue
        try:
            head = rollout_head(path)
        except OSError as error:
            logger.warning("a rollout is left out: %s", error)
            continue
        if head is not None and head.session_id:
            yield path, head
