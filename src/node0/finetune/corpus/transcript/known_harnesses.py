# SPDX-License-Identifier: Apache-2.0
"""The harnesses whose recordings can be read, and which of them wrote a file."""

from collections.abc import Mapping
from pathlib import Path

from node0.errors import BadCorpus
from node0.finetune.corpus.schema import Source
from node0.finetune.corpus.transcript.claude_code.claude_code_harness import ClaudeCode
from node0.finetune.corpus.transcript.codex.codex_harness import Codex
from node0.finetune.corpus.transcript.gemini.gemini_harness import Gemini
from node0.finetune.corpus.transcript.opencode.opencode_harness import DATABASE, Opencode
from node0.finetune.corpus.transcript.pi.pi_harness import Pi
from node0.finetune.corpus.transcript.recording import Harness, Recording

CLAUDE_CODE = ClaudeCode()

HARNESSES: Mapping[Source, Harness] = {
    harness.source: harness for harness in (CLAUDE_CODE, Codex(), Gemini(), Opencode(), Pi())
}
"By the source that entries name."


def recording_of(path: Path) -> Recording:
    """The recording that a file is: of the first harness that knows it as its own, else of Claude Code.

    Raises:
        BadCorpus: it is a database of several sessions, or of none.
        OSError: it cannot be read.
    """
    if path.name == DATABASE and Opencode().recording(path) is None:
        raise BadCorpus(f"{path} does not hold one session alone: write one with `opencode export ID > FILE`")
    others = (harness for harness in HARNESSES.values() if harness is not CLAUDE_CODE)
    known = (found for harness in others if (found := harness.recording(path)) is not None)
    return next(known, None) or CLAUDE_CODE.recording(path)
