# SPDX-License-Identifier: Apache-2.0
"""Write a session file of a given size, in the harness's format, for what measures memory.

    python bench/large_session.py FILE MEGABYTES [MEGABYTES_BETWEEN_COMPACTIONS]

Calls and their results follow one another; every request is logged, and the conversation is compacted
whenever it has grown by so much (default 4, which is what a window of a million tokens holds).
"""

import hashlib
import json
import random
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

RESULT = 20_000
SYSTEM = "You are the polecat of this rig."
TOOLS = [{"name": "Bash", "description": "Run a command.", "input_schema": {"type": "object"}}]
Line = dict[str, Any]


def digest(value: Any) -> str:
    """As the harness names what it has sent."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


class Session:
    """Makes lines, each hanging on the one before."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._number = 0
        self._parent: str | None = None
        self._request: tuple[str, int] | None = None
        self._new: list[str] = []
        self._count = 0
        self._words = [f"{rng.getrandbits(24):x}" for _ in range(4000)]
        self.shape = {"system": [{"type": "text", "text": SYSTEM}], "tools": TOOLS}

    def lines(self, compact_after: int) -> Iterator[str]:
        """Without end."""
        yield self._written(
            {"type": "api-request-shape", "shapeHash": digest(self.shape), "shape": self.shape}
        )
        since = compact_after
        while True:
            if since >= compact_after:
                since = 0
                yield from self._begin()
            for line in self._step():
                since += len(line)
                yield line

    def _begin(self) -> Iterator[str]:
        """A compaction, and the summary that the next conversation begins with."""
        boundary = {"subtype": "compact_boundary", "logicalParentUuid": self._parent, "parentUuid": None}
        yield self._line("system", **boundary)
        self._request, self._new, self._count = None, [], 0
        yield self._said([{"type": "text", "text": "Go on where you were."}])

    def _step(self) -> Iterator[str]:
        name = f"toolu_{self._number}"
        yield self._log()
        call = {
            "type": "tool_use",
            "id": name,
            "name": "Bash",
            "input": {"command": f"cat part{self._number}"},
        }
        blocks = [{"type": "text", "text": "I look at it."}, call]
        message = {"role": "assistant", "content": blocks}
        reference = self._request[0] if self._request else ""
        yield self._line("assistant", message={"id": f"msg_{name}", **message}, requestRef=reference)
        self._new.append(digest(message))
        text = " ".join(self._rng.choices(self._words, k=RESULT // 7))
        yield self._said([{"type": "tool_result", "tool_use_id": name, "content": text}])

    def _said(self, blocks: list[Line]) -> str:
        message = {"role": "user", "content": blocks}
        self._new.append(digest(message))
        return self._line("user", message=message)

    def _log(self) -> str:
        name = f"req_{self._number}"
        base: Line = {"base": self._request[0], "keep": self._count} if self._request else {"keep": 0}
        self._count += len(self._new)
        line: Line = {"type": "api-request", "id": name, "timestamp": "2026-01-05T06:00:00.000Z"}
        line |= {"shapeHash": digest(self.shape), **base, "tail": self._new}
        self._request, self._new = (name, self._count), []
        return self._written(line)

    def _line(self, kind: str, **content: Any) -> str:
        self._number += 1
        parent, self._parent = self._parent, f"u{self._number}"
        envelope = {"type": kind, "uuid": self._parent, "parentUuid": parent, "sessionId": "large"}
        return self._written(
            envelope
            | {"timestamp": "2026-01-05T06:00:00.000Z", "isSidechain": False, "cwd": "/srv/gt", **content}
        )

    def _written(self, line: Line) -> str:
        return json.dumps(line, ensure_ascii=False) + "\n"


def write_session(path: Path, size: int, compact_after: int) -> None:
    """Write at least `size` bytes of whole lines."""
    written = 0
    with path.open("w", encoding="utf-8") as file:
        for line in Session(random.Random(0)).lines(compact_after):
            written += file.write(line)
            if written >= size and '"type": "user"' in line[:20]:
                return


if __name__ == "__main__":
    sizes = [int(float(word) * 1e6) for word in sys.argv[2:]]
    write_session(Path(sys.argv[1]), sizes[0], sizes[1] if len(sizes) > 1 else 4_000_000)
