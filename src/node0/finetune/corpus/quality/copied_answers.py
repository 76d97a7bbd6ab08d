# SPDX-License-Identifier: Apache-2.0
"""Find answers that stand in several sessions, copied by a resume or a fork, and the one to learn of each.

An answer is the same where its harness gives it the same name and time. Where the name changes in copying,
or is not told (old entries; Codex, opencode), it is the same behind the same context, word for word.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import blake2b
from typing import Any, NamedTuple

from node0.finetune.corpus.schema import HARNESS_SOURCES, CorpusEntry

Copied = Mapping[str, frozenset[int]]
"By the id of an entry, the places in its messages of answers that are learnt in another one."

UNSAID = ("id", "tool_use_id")
"Of a block: what ties a call to its result is renamed where a harness copies."


class _Answer(NamedTuple):
    """An answer where it stands."""

    entry: str
    place: int
    session: tuple[str, str]
    at: str
    told: str
    "As its harness calls it; empty where it has no name for it."

    said: str
    "Digest of it and all before it; empty where every answer has a name."


def copied_answers(entries: Iterable[CorpusEntry]) -> Copied:
    """The answers of these entries that are learnt elsewhere in them.

    The earliest session keeps an answer: the one that went on by itself first, behind what they share.
    """
    recorded = [entry for entry in entries if entry.source in HARNESS_SOURCES and entry.requests]
    nameless = any(not call.answer for entry in recorded for call in entry.requests)
    answers = [answer for entry in recorded for answer in _answers(entry, with_content=nameless)]
    copies: dict[str, list[_Answer]] = defaultdict(list)
    same = _names_by_content(answers)
    for answer in answers:
        copies[answer.told or same.get(answer.said, answer.said)].append(answer)
    order = _session_order(list(copies.values()))
    copied: dict[str, set[int]] = defaultdict(set)
    for group in copies.values():
        for answer in sorted(group, key=lambda one: (order[one.session], one.at, one.entry, one.place))[1:]:
            copied[answer.entry].add(answer.place)
    return {name: frozenset(places) for name, places in sorted(copied.items())}


def _answers(entry: CorpusEntry, *, with_content: bool) -> Iterator[_Answer]:
    session = (entry.source, entry.session_id or entry.id)
    said = _digests(entry.messages) if with_content else [""] * len(entry.messages)
    calls = {call.n_messages: call for call in entry.requests if call.n_messages < len(entry.messages)}
    for place, call in calls.items():
        yield _Answer(entry.id, place, session, call.at or entry.created_at, call.answer, said[place])


def _digests(messages: Sequence[Mapping[str, Any]]) -> list[str]:
    """For each message a digest of it and all before it."""
    total, digests = blake2b(digest_size=16), []
    for message in messages:
        content = message["content"]
        blocks = content if isinstance(content, str) else [_said(block) for block in content]
        line = json.dumps([message["role"], blocks], sort_keys=True, ensure_ascii=False)
        total.update(line.encode("utf-8", "surrogatepass") + b"\n")
        digests.append(total.copy().hexdigest())
    return digests


def _said(block: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in block.items() if key not in UNSAID}


def _names_by_content(answers: Iterable[_Answer]) -> dict[str, str]:
    """By digest, the name of an answer that says this behind this; the first name where there are several."""
    names: dict[str, str] = {}
    for answer in answers:
        if answer.told and answer.said:
            names[answer.said] = min(names.get(answer.said, answer.told), answer.told)
    return names


def _session_order(copies: Sequence[Sequence[_Answer]]) -> dict[tuple[str, str], tuple[str, str, str]]:
    """What sessions are sorted by: when each went on by itself, when it began, and its name."""
    own: dict[tuple[str, str], str] = {}
    begun: dict[tuple[str, str], str] = {}
    for group in copies:
        alone = len({answer.session for answer in group}) == 1
        for answer in group:
            begun[answer.session] = min(begun.get(answer.session, answer.at), answer.at)
            if alone:
                own[answer.session] = min(own.get(answer.session, answer.at), answer.at)
    # One that never went on by itself ended where the others went on.
    return {session: (own.get(session, ""), at, session[1]) for session, at in begun.items()}
