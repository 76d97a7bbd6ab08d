# SPDX-License-Identifier: Apache-2.0
"""Find entries that hold prompts a model is measured on: 13-grams of words in common.

The length is that of Brown et al., 2020 (https://arxiv.org/abs/2005.14165, appendix C).
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from node0.documents.json_document import value_of
from node0.errors import BadCorpus, NotFound
from node0.finetune.corpus.schema import CorpusEntry

SIZE = 13
WORD = re.compile(r"\w+")
UNREAD = ("role", "type", "id", "tool_use_id", "tool_call_id")


class Overlap(NamedTuple):
    """A prompt that stands, in part, in an entry."""

    id: str
    "Of the entry."

    prompt: str
    "Its id in the file, or its line."

    grams: int
    "Distinct runs of 13 words in common."

    of: int
    "Distinct runs of the prompt."


class Prompts:
    """The runs of words of every prompt in a file of JSON lines.

    Read are all strings of a line, but for system turns, which every prompt of a role shares.

    Raises:
        NotFound: there is no such file.
        BadCorpus: a line is not JSON.
    """

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise NotFound(f"no file {path}: name JSON lines of prompts")
        self._holders: dict[str, list[str]] = {}
        self._sizes: Counter[str] = Counter()
        self.too_short = 0
        "Prompts of fewer than 13 words, which cannot be checked."

        with path.open(encoding="utf-8", errors="replace") as file:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    self._add(*_prompt(path, number, line))

    def overlaps(self, entry: CorpusEntry) -> list[Overlap]:
        """The prompts that stand in the turns of an entry, most of all first."""
        shared: Counter[str] = Counter()
        turns = (*entry.messages, *(entry.chosen or ()), *(entry.rejected or ()))
        for gram in {gram for turn in turns for text in _texts(turn["content"]) for gram in grams(text)}:
            shared.update(self._holders.get(gram, ()))
        return [
            Overlap(entry.id, name, count, self._sizes[name])
            for name, count in sorted(shared.items(), key=lambda item: (-item[1], item[0]))
        ]

    def __len__(self) -> int:
        return len(self._sizes)

    def _add(self, name: str, texts: Iterable[str]) -> None:
        found = {gram for text in texts for gram in grams(text)}
        if not found:
            self.too_short += 1
            return
        while name in self._sizes:
            name += "'"
        self._sizes[name] = len(found)
        for gram in found:
            self._holders.setdefault(gram, []).append(name)


def grams(text: str, size: int = SIZE) -> Iterator[str]:
    """Every run of `size` words, in lower case and without punctuation."""
    words = WORD.findall(text.lower())
    return (" ".join(words[at : at + size]) for at in range(len(words) - size + 1))


def _prompt(path: Path, number: int, line: str) -> tuple[str, Iterator[str]]:
    try:
        value = value_of(line)
    except ValueError as error:
        raise BadCorpus(f"{path}, line {number} cannot be read ({error}): repair or remove it") from error
    named = value.get("id") if isinstance(value, dict) else None
    return (f"line {number}" if named is None else str(named)), _texts(value)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        if value.get("role") != "system":
            for key, item in value.items():
                if key not in UNREAD:
                    yield from _texts(item)
    elif isinstance(value, Sequence):
        for item in value:
            yield from _texts(item)
