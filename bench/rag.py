# SPDX-License-Identifier: Apache-2.0
"""Retrieval over 12,000 records: recall@10 and nDCG@10 by words, by meaning and fused, and the time.

The records are made here, of things that have several names: a record uses one of them in its title and
another in its text. What is asked is a piece of a sentence, the same with slips of the pen, or the matter in
names that are drawn again; one record is right. Beside it SQLite's FTS5 answers the same questions in the
same process. How the rankings are joined was settled on other records (docs/rag.md says on which).
"""

import math
import random
import re
import sqlite3
import statistics
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from node0.finetune.rag.indexer import BEADS, RAGIndexer, Source
from node0.finetune.rag.retriever import By, RAGRetriever
from temporary import temporary_place

RECORDS, ASKED, DEPTH = 12_000, 250, 10
WAYS: dict[str, By] = {"words": "words", "meaning": "meaning", "fused": "both"}
PARTS = [
    "merge queue|landing line|submission train",
    "refinery|integration worker",
    "witness|rig overseer",
    "deacon|patrol leader",
    "mail spool|inbox store",
    "session log|transcript file",
    "worktree|private checkout",
    "scheduler|dispatch planner",
    "database server|storage daemon",
    "heartbeat|liveness ping",
    "convoy|task group",
    "sandbox|confined shell",
    "token cache|credential store",
    "formula loader|recipe reader",
    "dashboard|status page",
    "backup job|nightly archive",
    "lock file|exclusive marker",
    "event feed|activity stream",
]
TROUBLES = [
    "hangs|stops answering|freezes",
    "crashes|dies|exits without a word",
    "loops|repeats itself forever",
    "leaks memory|grows without bound",
    "loses writes|drops updates",
    "answers late|is far too slow",
    "sends duplicates|delivers twice",
    "shows stale values|displays old figures",
    "refuses logins|rejects accounts",
    "fills the disk|eats all storage",
    "skips entries|passes over rows",
    "reorders steps|mixes up the sequence",
]
CAUSES = [
    "a race between two workers|unsynchronised agents",
    "an expired certificate|outdated credentials",
    "a clock that is wrong|skewed time",
    "a missing index|full table scans",
    "an integer overflow|a counter wrap",
    "a dangling symlink|a link to nowhere",
    "a retry without pause|immediate repetition",
    "a truncated reply|half an answer",
    "a wrong path separator|mistaken slashes",
    "too few file handles|descriptor limits",
    "a partial upgrade|mixed versions",
    "an unflushed buffer|output held back",
]
CURES = [
    "restart it|bounce the process",
    "take the lock first|serialise access",
    "raise the limit|allow more",
    "roll back the change|revert the commit",
    "rotate the keys|renew secrets",
    "add a timeout|bound the wait",
    "write to a new name and rename|swap files atomically",
    "drop the cache|flush what is kept",
    "pin the version|freeze the dependency",
    "split the batch|work in smaller pieces",
]
PLACES = [
    "harbor",
    "quarry",
    "mill",
    "orchard",
    "foundry",
    "chapel",
    "depot",
    "lighthouse",
    "tannery",
    "granary",
]
FILLER = [
    "Seen by the crew on the morning round.",
    "Nobody had touched the configuration.",
    "It came back after a week.",
    "The operator was told at once.",
    "Two patrols passed before it was noticed.",
    "Logs are attached below.",
    "A test for it is still to be written.",
    "It did not happen on the other machine.",
]


class Quality(NamedTuple):
    """Of the answers to some questions."""

    recall: float
    "Share of the questions whose record is among the first ten."

    gain: float
    "nDCG@10."

    def __str__(self) -> str:
        return f"recall@10 {self.recall:.3f}  nDCG@10 {self.gain:.3f}"

    def is_behind(self, other: "Quality") -> bool:
        """Whether either figure is lower."""
        return self.recall < other.recall or self.gain < other.gain


class Question(NamedTuple):
    """What is asked, and which record is right."""

    kind: str
    text: str
    right: str


def main() -> None:
    """Index, ask, and print."""
    records, questions = _made(random.Random(20261126))
    with temporary_place("rag") as place:
        _index(str(place), records)
        retriever = RAGRetriever(str(place))
        print(f"ranked by {retriever.how}")
        for title, asked in _by_kind(questions):
            _compare(title, asked, retriever)
        ours = _milliseconds(questions, _asking(retriever, "both"))
    with sqlite3.connect(":memory:") as db:
        peer = _full_text_search(db, records)
        print(f"  FTS5     {_quality([one for one in questions if one.kind != 'id'], peer)}")
        theirs = _milliseconds(questions, peer)
    print(
        f"warm question, median: {ours:.2f} ms (bound 30); FTS5 alone {theirs:.2f} ms; {ours / theirs:.2f}x"
    )


def _compare(title: str, asked: Sequence[Question], retriever: RAGRetriever) -> None:
    print(f"{title}: {len(asked)} questions")
    found = {name: _quality(asked, _asking(retriever, by)) for name, by in WAYS.items()}
    for name, quality in found.items():
        print(f"  {name:8} {quality}")
    fused = found.pop("fused")
    better = [name for name, other in found.items() if fused.is_behind(other)]
    print(f"  fused is {'behind ' + ' and '.join(better) if better else 'not worse than either'}")


def _index(place: str, records: Sequence[Source]) -> None:
    for round_ in ("first", "again"):
        indexer = RAGIndexer(place)
        begun = time.perf_counter()
        indexer.index(BEADS, records, whole=True)
        seconds, chunks = time.perf_counter() - begun, indexer.store.counts()[BEADS][1]
        print(f"index {round_}: {seconds:.1f} s, {chunks} chunks, {indexer.did['embedded']} embedded")


def _made(draw: random.Random) -> tuple[list[Source], list[Question]]:
    records: dict[tuple[str, ...], Source] = {}
    questions: list[Question] = []
    while len(records) < RECORDS:
        matter = tuple(draw.choice(names) for names in (PARTS, TROUBLES, CAUSES, CURES, PLACES))
        if matter in records:
            continue
        name = f"tw-{len(records):05x}"
        title, body, other = ([_name(draw, thing) for thing in matter[:4]] for _ in range(3))
        told = _text(draw, title, body, matter[4])
        records[matter] = Source(name, told)
        if len(records) % (RECORDS // ASKED) == 0:
            questions += _asked(draw, name, told, other, matter[4])
    return list(records.values()), questions


def _name(draw: random.Random, thing: str) -> str:
    return draw.choice(thing.split("|"))


def _text(draw: random.Random, title: Sequence[str], body: Sequence[str], place: str) -> str:
    lines = [
        f"The {body[0]} of the {place} rig {body[1]} when there is {body[2]}.",
        f"What helped in the {place} was to {body[3]}.",
        *draw.sample(FILLER, 3),
    ]
    draw.shuffle(lines)
    return f"{title[0]} {title[1]}: {title[2]} ({place})\n{' '.join(lines)}"


def _asked(draw: random.Random, name: str, told: str, other: Sequence[str], place: str) -> list[Question]:
    body = told.partition("\n")[2]
    sentence = next(line for line in re.split(r"(?<=\.) ", body) if "when there is" in line).split()
    start = draw.randrange(3)
    piece = " ".join(sentence[start : start + 11])
    slips = " ".join(_slip(draw, word) if len(word) > 5 else word for word in piece.split())
    matter = f"in the {place}, the {other[0]} {other[1]}; is it {other[2]}, and should I {other[3]}?"
    kinds = {"piece": piece, "slips": slips, "other names": matter, "id": f"what became of {name}?"}
    return [Question(kind, text, name) for kind, text in kinds.items()]


def _slip(draw: random.Random, word: str) -> str:
    at = draw.randrange(1, len(word) - 1)
    return (
        word[:at] + word[at + 1 :]
        if draw.random() < 0.5
        else word[: at - 1] + word[at] + word[at - 1] + word[at + 1 :]
    )


Asking = Callable[[str], list[str]]
"Names of the best records, best first."


def _asking(retriever: RAGRetriever, by: By) -> Asking:
    """Ask with both rankings as they are joined, or with one of them alone."""

    def ask(question: str) -> list[str]:
        return [one.name for one in retriever.search(question, DEPTH, by=by)]

    return ask


def _by_kind(questions: Sequence[Question]) -> list[tuple[str, list[Question]]]:
    kinds = dict.fromkeys(one.kind for one in questions)
    groups = [(kind, [one for one in questions if one.kind == kind]) for kind in kinds]
    return [*groups, ("all but ids", [one for one in questions if one.kind != "id"])]


def _quality(questions: Sequence[Question], ask: Asking) -> Quality:
    """Mean recall@10 and nDCG@10 where one record is right: the gain is 1 / log2(1 + place)."""
    places = []
    for question in questions:
        found = list(dict.fromkeys(ask(question.text)))
        places.append(found.index(question.right) + 1 if question.right in found else 0)
    recall = statistics.fmean(bool(place) for place in places)
    gain = statistics.fmean(1 / math.log2(1 + place) if place else 0.0 for place in places)
    return Quality(recall, gain)


def _milliseconds(questions: Sequence[Question], ask: Asking) -> float:
    taken = []
    for question in questions:
        begun = time.perf_counter()
        ask(question.text)
        taken.append(time.perf_counter() - begun)
    return statistics.median(taken) * 1e3


def _full_text_search(db: sqlite3.Connection, records: Sequence[Source]) -> Asking:
    db.execute("CREATE VIRTUAL TABLE found USING fts5 (name UNINDEXED, text, tokenize = 'porter unicode61')")
    db.executemany("INSERT INTO found VALUES (?, ?)", records)

    def ask(question: str) -> list[str]:
        words = " OR ".join(f'"{word}"' for word in re.findall(r"\w+", question))
        rows = db.execute("SELECT name FROM found WHERE found MATCH ? ORDER BY rank LIMIT ?", (words, DEPTH))
        return [name for (name,) in rows]

    return ask


if __name__ == "__main__":
    main()
