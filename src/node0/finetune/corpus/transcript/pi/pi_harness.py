# SPDX-License-Identifier: Apache-2.0
"""Sessions of pi, and of omp, which writes as pi does."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from node0.finetune.corpus.schema import Source
from node0.finetune.corpus.transcript.headed_files import headed_files
from node0.finetune.corpus.transcript.pi.pi_session import PiHead, PiSession, pi_head
from node0.finetune.corpus.transcript.recording import Beginning, FileRecording, Recording

PLACE = "sessions/*/*.jsonl"


class Pi:
    """Reads `sessions` in pi's agent directory; a `Harness`."""

    source: Source = "pi"

    def recordings(self, homes: Iterable[Path]) -> Mapping[str, Recording]:
        """Session files by id."""
        found = headed_files((path for home in homes for path in sorted(home.glob(PLACE))), pi_head)
        return {head.session_id: self._made(head, path) for path, head in found}

    def recording(self, path: Path) -> Recording | None:
        """A session file."""
        head = pi_head(path)
        return self._made(head, path) if head else None

    def _made(self, head: PiHead, path: Path) -> FileRecording:
        begins = Beginning(head.cwd, head.at)
        return FileRecording(self.source, head.session_id, (path,), PiSession, begins)
