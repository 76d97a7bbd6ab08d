# SPDX-License-Identifier: Apache-2.0
"""Rollouts of Codex, with those of the subagents that they began."""

from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path

from node0.finetune.corpus.schema import Source
from node0.finetune.corpus.transcript.codex.rollout import Rollout, RolloutHead, rollout_head
from node0.finetune.corpus.transcript.headed_files import headed_files
from node0.finetune.corpus.transcript.recording import Beginning, FileRecording, Recording

PLACES = ("sessions/*/*/*/rollout-*.jsonl", "archived_sessions/rollout-*.jsonl")


class Codex:
    """Reads `sessions` and `archived_sessions` in Codex's home; a `Harness`."""

    source: Source = "codex"

    def recordings(self, homes: Iterable[Path]) -> Mapping[str, Recording]:
        """Sessions by id: what a person began, with its subagents' rollouts."""
        paths = (path for home in homes for place in PLACES for path in sorted(home.glob(place)))
        heads = dict(headed_files(paths, rollout_head))
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
        begins = Beginning(head.cwd, head.at)
        return FileRecording(self.source, head.session_id, paths, partial(_read, path), begins)


def _read(main: Path, path: Path) -> Rollout:
    return Rollout(path, agent=path != main)
