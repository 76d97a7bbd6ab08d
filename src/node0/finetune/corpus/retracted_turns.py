# SPDX-License-Identifier: Apache-2.0
"""Know the turns of an entry again: in a resumed or forked session, or in another entry's context.

A mark is a digest of an answer and the turn before it, by their words of letters alone: what a scrubber of
another day wrote in place of a value makes no difference. Turns of few words have none.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from itertools import pairwise
from typing import Any

from node0.finetune.corpus.schema import CorpusEntry
from node0.finetune.corpus.scrub.placeholders import without_placeholders

FEWEST_WORDS = 12
"Of an answer and the turn before it; fewer are said in many sessions."

MARK_BYTES = 8
ORDINARY = 4
"Sessions that hold a mark beside copies: then it is how sessions of this town begin, and tells nothing."

COPY = 0.5
"Share of an entry's marks above which another session is a copy of it."

SKIPPED = frozenset({"type", "id", "tool_use_id", "signature"})
MARKS = "\"'`.,:;!?()[]{}<>*_#-=|/\\"


def marks_of(entry: CorpusEntry) -> frozenset[str]:
    """Of every answer that an entry holds, also in its context, and of its preferences."""
    marks = {_mark(*pair) for turns in _conversations(entry) for pair in pairwise(turns)}
    return frozenset(marks - {""})


def own_marks(entry: CorpusEntry) -> frozenset[str]:
    """Of the answers that an entry adds to its conversation."""
    if not entry.requests:
        return marks_of(entry)
    marks = {
        _mark(entry.messages[call.n_messages - 1], entry.messages[call.n_messages])
        for call in entry.requests
        if 0 < call.n_messages < len(entry.messages)
    }
    return frozenset(marks - {""})


def telling_marks(
    entries: Iterable[CorpusEntry], corpus: Iterable[CorpusEntry]
) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """What tells each entry, and which others of a corpus hold some of that, by its id.

    Args:
        entries: Each is told by marks of its own that are not how many sessions begin.
        corpus: Is gone through once.
    """
    own = {entry.id: own_marks(entry) for entry in entries}
    wanted = frozenset().union(*own.values())
    holders = {
        entry.id: (entry.session_id or entry.id, found)
        for entry in corpus
        if (found := marks_of(entry) & wanted)
    }
    telling = {name: marks - _ordinary(name, marks, holders) for name, marks in own.items()}
    held = {
        name: sorted(other for other, (_, found) in holders.items() if other not in own and found & marks)
        for name, marks in telling.items()
    }
    return {name: sorted(marks) for name, marks in telling.items()}, held


def _ordinary(
    name: str, marks: frozenset[str], holders: Mapping[str, tuple[str, frozenset[str]]]
) -> frozenset[str]:
    """Marks that many sessions hold which are no copies of the entry."""
    shared: dict[str, set[str]] = {}
    for session, found in holders.values():
        shared.setdefault(session, set()).update(found & marks)
    own_session = holders[name][0] if name in holders else name
    others = (
        found
        for session, found in shared.items()
        if session != own_session and len(found) <= COPY * len(marks)
    )
    counts = Counter(mark for found in others for mark in found)
    return frozenset(mark for mark, count in counts.items() if count >= ORDINARY)


def _conversations(entry: CorpusEntry) -> Iterable[Sequence[Mapping[str, Any]]]:
    yield entry.messages
    for side in (entry.chosen, entry.rejected):
        yield [*entry.messages[-1:], *(side or ())]


def _mark(before: Mapping[str, Any], answer: Mapping[str, Any]) -> str:
    if answer.get("role") != "assistant":
        return ""
    words = [*_words(before.get("content")), "\0", *_words(answer.get("content"))]
    if len(words) <= FEWEST_WORDS:
        return ""
    return blake2b(" ".join(words).encode("utf-8", "surrogatepass"), digest_size=MARK_BYTES).hexdigest()


def _words(content: Any) -> Iterable[str]:
    """Words of letters, in order; names of fields and ids of calls are left out."""
    if isinstance(content, str):
        words = (word.strip(MARKS) for word in without_placeholders(content).split())
        yield from (word for word in words if word.isalpha())
    elif isinstance(content, Mapping):
        for key, value in sorted(content.items()):
            if key not in SKIPPED:
                yield from _words(value)
    elif isinstance(content, Sequence):
        for item in content:
            yield from _words(item)
