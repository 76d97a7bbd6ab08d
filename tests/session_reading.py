# SPDX-License-Identifier: Apache-2.0
"""Read a session file and set its calls beside what a harness sent."""

import hashlib
import json
from pathlib import Path
from typing import Any

from node0.finetune.corpus.transcript.claude_code.session_file import SessionFile
from node0.finetune.corpus.transcript.trajectory import Trajectory


def read(path: Path) -> tuple[list[Trajectory], dict[str, int]]:
    transcript = SessionFile(path)
    found = list(transcript.trajectories())
    return found, dict(transcript.skipped)


def requests(found: list[Trajectory]) -> list[tuple[Any, Any, Any]]:
    return [
        (trajectory.messages[: call.n_messages], list(call.shape.system), list(call.shape.tools))
        for trajectory in found
        for call in trajectory.calls
    ]


def digest(value: Any) -> str:
    line = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(line.encode()).hexdigest()
