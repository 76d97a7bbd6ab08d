# SPDX-License-Identifier: Apache-2.0
"""Claude Code as a harness: its session files, under each of its configuration directories."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from node0.finetune.corpus.schema import Source
from node0.finetune.corpus.transcript.claude_code.session_file import SessionFile
from node0.finetune.corpus.transcript.claude_code.session_paths import session_paths, with_subagents
from node0.finetune.corpus.transcript.recording import FileRecording, Recording


class ClaudeCode:
    """Reads `<config dir>/projects`; a `Harness`."""

    source: Source = "claude-code"

    def recordings(self, homes: Iterable[Path]) -> Mapping[str, Recording]:
        """Session files by session uuid, each with its subagents'."""
        return {
            name: FileRecording(self.source, name, tuple(paths), SessionFile)
            for name, paths in session_paths(homes).items()
        }

    def recording(self, path: Path) -> Recording:
        """Any file of lines: there is no mark that all versions of it leave."""
        name = SessionFile(path).session_id or path.stem
        return FileRecording(self.source, name, tuple(with_subagents(path)), SessionFile)
