# SPDX-License-Identifier: Apache-2.0
"""Names that belong to one session: what two sessions in the same situation spell differently.

Ids, workers, commits and places are numbered in the order in which they are met, so that texts of two
sessions are alike exactly where one becomes the other by renaming, each name to one other name. Moments and
durations are nobody's name: any of them is like any other.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from node0.finetune.corpus.schema import CorpusEntry

MIN_NAME = 3
"A shorter name would be found in too many words."

_WORKER = r"(?<=polecats/)[\w-]+|(?<=crew/)[\w-]+"
_PATTERNS = {
    "uuid": r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b",
    "moment": r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?|\b\d\d:\d\d:\d\d\b",
    "date": r"\b\d{4}-\d\d-\d\d\b",
    "duration": r"\b\d+\.\d+ ?m?s\b|\b\d+ ?(?:[smhd]|(?:second|minute|hour|day)s?) ago\b",
    "worker": _WORKER,
    "place": r"/tmp/[\w.-]+",
    "wisp": r"\b[a-z][a-z0-9]*-wisp-[a-z0-9]+\b",
    "commit": r"\b(?=[0-9a-f]{0,39}[0-9])(?=[0-9a-f]{0,39}[a-f])[0-9a-f]{7,40}\b",
}
_NAMELESS = frozenset({"moment", "duration"})


class SessionNames:
    """The names of one session, in the order in which `canonical` has met them."""

    def __init__(self, entry: CorpusEntry) -> None:
        self._pattern = _pattern(entry)
        self._numbers: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._numbers)

    def __iter__(self) -> Iterator[str]:
        return iter(self._numbers)

    def canonical(self, text: str) -> str:
        """The text with its names as numbers; blanks at the ends of lines are left out."""
        told = self._pattern.sub(self._numbered, text)
        return "\n".join(line.rstrip() for line in told.strip().splitlines())

    def renamed(self, text: str, names: Mapping[str, str]) -> str:
        """The text with other names in the place of these."""
        return self._pattern.sub(lambda found: names.get(found.group(), found.group()), text)

    def _numbered(self, found: re.Match[str]) -> str:
        kind = found.lastgroup or ""
        if kind in _NAMELESS:
            return f"\0{kind}\0"
        return f"\0{kind} {self._numbers.setdefault(found.group(), len(self._numbers))}\0"


def each_text(value: Any, change: Callable[[str], str]) -> Any:
    """A JSON value with each of its texts changed; keys stay."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict):
        return {name: each_text(item, change) for name, item in value.items()}
    return [each_text(item, change) for item in value] if isinstance(value, list) else value


def with_texts(message: Mapping[str, Any], change: Callable[[str], str]) -> dict[str, Any]:
    """A turn whose words and inputs of calls are changed, and nothing that gives it its form."""
    content = message["content"]
    if isinstance(content, str):
        return {**message, "content": change(content)}
    parts = {"text": "text", "tool_use": "input"}
    return {
        **message,
        "content": [
            {**block, part: each_text(block[part], change)} if (part := parts.get(block["type"])) else block
            for block in content
        ],
    }


def _pattern(entry: CorpusEntry) -> re.Pattern[str]:
    own = {entry.session_id, entry.rig, *_workers(entry)}
    words = sorted((re.escape(name) for name in own if name and len(name) >= MIN_NAME), key=len, reverse=True)
    kinds = dict(_PATTERNS)
    if words:
        kinds = {"own": rf"(?<![\w-])(?:{'|'.join(words)})(?![\w-])", **kinds}
    if entry.bead_id and "-" in entry.bead_id:
        prefix = re.escape(entry.bead_id.partition("-")[0])
        kinds = {"bead": rf"(?<![\w-]){prefix}-[a-z0-9]+(?:[.-][a-z0-9]+)*(?![\w-])", **kinds}
    return re.compile("|".join(f"(?P<{kind}>{pattern})" for kind, pattern in kinds.items()))


def _workers(entry: CorpusEntry) -> set[str]:
    found: set[str] = set()

    def look(text: str) -> str:
        found.update(re.findall(_WORKER, text))
        return text

    each_text(entry.messages, look)
    return found
