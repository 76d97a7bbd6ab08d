# SPDX-License-Identifier: Apache-2.0
"""Sessions of Gemini CLI, of every project."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from node0.finetune.corpus.schema import Source
from node0.finetune.corpus.transcript.gemini.gemini_session import GeminiHead, GeminiSession, gemini_head
from node0.finetune.corpus.transcript.headed_files import headed_files
from node0.finetune.corpus.transcript.recording import Beginning, FileRecording, Recording

PLACE = "tmp/*/chats/session-*.json*"


class Gemini:
    """Reads `tmp/<project>/chats` in Gemini CLI's home; a `Harness`."""

    source: Source = "gemini"

    def recordings(self, homes: Iterable[Path]) -> Mapping[str, Recording]:
        """Sessions by id; one that was resumed may go on in another file."""
        paths = sorted((path for home in homes for path in home.glob(PLACE)), key=lambda path: path.name)
        files: dict[str, list[Path]] = {}
        heads: dict[str, GeminiHead] = {}
        for path, head in headed_files(paths, gemini_head):
            files.setdefault(head.session_id, []).append(path)
            heads.setdefault(head.session_id, head)
        return {name: self._made(heads[name], *found) for name, found in files.items()}

    def recording(self, path: Path) -> Recording | None:
        """A session file."""
        head = gemini_head(path)
        return self._made(head, path) if head else None

    def _made(self, head: GeminiHead, *paths: Path) -> FileRecording:
        begins = Beginning(head.cwd, head.at)
        return FileRecording(self.source, head.session_id, paths, GeminiSession, begins)
