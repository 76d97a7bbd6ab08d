# SPDX-License-Identifier: Apache-2.0
"""Score a scrubber on generated suites: values gone, wrong spans, words of negatives damaged."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from node0.finetune.corpus.scoreboard.case import Case, Maker
from node0.finetune.corpus.scoreboard.credentials import CREDENTIALS
from node0.finetune.corpus.scoreboard.draws import Draw
from node0.finetune.corpus.scoreboard.negatives import NEGATIVES
from node0.finetune.corpus.scoreboard.personal import PERSONAL
from node0.finetune.corpus.scoreboard.readings import READINGS
from node0.finetune.corpus.scoreboard.secrets import SECRETS
from node0.finetune.statistics.wilson import wilson

Scrub = Callable[[str], str]
POSITIVES: Mapping[str, Maker] = {**SECRETS, **CREDENTIALS, **PERSONAL}
SHOWS = 6
"Signs of a value in a row that give a part of it away; of a shorter value, all."

LEAD, TRAIL = "first we look at the log\n", "\nand then we go on with the next task"
LEAST: Mapping[str, float] = {
    "tokens with a name": 0.995,
    "tokens without a name": 0.995,
    "keys": 0.97,
    "files": 0.97,
    "connections": 0.97,
    "shell": 0.97,
    "SQL": 0.97,
    "prose": 0.90,
    "personal data": 0.97,
}
"Share of values gone, as they stand in the plain text, that a release must reach."

MOST_DAMAGE = 0.01
"Share of the words of negatives that a release may change."


class Score(NamedTuple):
    """What became of the cases of one row."""

    suite: str
    "values, spans, readings or words."

    kind: str
    good: int
    "Values gone, spans right, or words that stayed."

    cases: int

    @property
    def share(self) -> float:
        """Of all, the good ones."""
        return self.good / self.cases

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's, at 95%."""
        return wilson(self.good, self.cases)


class Example(NamedTuple):
    """A case that went wrong."""

    suite: str
    kind: str
    text: str
    scrubbed: str


class Board(NamedTuple):
    """Every score, and some of the cases that went wrong."""

    scores: list[Score]
    examples: list[Example]


def scoreboard(scrub: Scrub, *, cases: int, seed: int, examples: int = 0) -> Board:
    """Draw `cases` texts of every kind, and of every reading, and score what the scrubber leaves.

    Args:
        scrub: Gives the text as it would be stored.
        cases: Texts a row.
        seed: Of the draws: the same seed gives the same texts.
        examples: Failed texts that are kept of each row.
    """
    board = Board([], [])
    for kind, maker in POSITIVES.items():
        _values(board, kind, maker, scrub, count=cases, seed=seed, keep=examples)
    for reading in READINGS:
        _reading(board, reading, scrub, count=cases, seed=seed, keep=examples)
    for kind, maker in NEGATIVES.items():
        _words(board, kind, maker, scrub, count=cases, seed=seed, keep=examples)
    return board


def shortfalls(board: Board) -> Iterator[str]:
    """What a release may not be made with, in words."""
    for score in board.scores:
        least = LEAST.get(score.kind, 0.0)
        if score.suite == "values" and score.share < least:
            yield f"{score.kind}: {score.share:.3f} of the values gone, {least} wanted"
        if score.suite == "spans" and score.good < score.cases:
            yield f"{score.kind}: {score.cases - score.good} of {score.cases} spans wrong"
        if score.suite == "words" and 1 - score.share > MOST_DAMAGE:
            yield f"{score.kind}: {1 - score.share:.3f} of the words changed, {MOST_DAMAGE} allowed"


def _drawn(kind: str, maker: Maker, *, count: int, seed: int, purpose: str) -> Iterator[Case]:
    for number in range(count):
        yield maker(Draw(f"{seed} {purpose} {kind} {number}"))


def _values(board: Board, kind: str, maker: Maker, scrub: Scrub, *, count: int, seed: int, keep: int) -> None:
    gone = right = 0
    kept: Counter[str] = Counter()
    for case in _drawn(kind, maker, count=count, seed=seed, purpose="values"):
        text = f"{LEAD}{case.text}{TRAIL}"
        scrubbed = scrub(text)
        is_gone = not shows(scrubbed, tuple(case.value.splitlines()))
        is_right = scrubbed.startswith(LEAD + case.before) and scrubbed.endswith(case.after + TRAIL)
        gone, right = gone + is_gone, right + is_right
        for suite, good in (("values", is_gone), ("spans", is_right)):
            if not good and kept[suite] < keep:
                kept[suite] += 1
                board.examples.append(Example(suite, kind, case.text, scrubbed))
    board.scores.extend([Score("values", kind, gone, count), Score("spans", kind, right, count)])


def _reading(board: Board, reading: str, scrub: Scrub, *, count: int, seed: int, keep: int) -> None:
    gone = kept = 0
    kinds = list(POSITIVES.items())
    for number in range(count):
        kind, maker = kinds[number % len(kinds)]
        written = READINGS[reading](maker(Draw(f"{seed} {reading} {number}")))
        text = f"{LEAD}{written.text}{TRAIL}"
        scrubbed = scrub(text)
        if not shows(scrubbed, written.pieces):
            gone += 1
        elif kept < keep:
            kept += 1
            board.examples.append(Example("readings", f"{reading}, {kind}", text, scrubbed))
    board.scores.append(Score("readings", reading, gone, count))


def _words(board: Board, kind: str, maker: Maker, scrub: Scrub, *, count: int, seed: int, keep: int) -> None:
    stayed = total = kept = 0
    for case in _drawn(kind, maker, count=count, seed=seed, purpose="words"):
        words, left = case.text.split(), scrub(case.text).split()
        same = _alike if kind == "ids" else str.__eq__
        good = sum(map(same, words, left)) if len(words) == len(left) else 0
        stayed, total = stayed + good, total + len(words)
        if good < len(words) and kept < keep:
            kept += 1
            board.examples.append(Example("words", kind, case.text, " ".join(left)))
    board.scores.append(Score("words", kind, stayed, total))


def shows(text: str, pieces: Sequence[Sequence[str]]) -> bool:
    """Whether some signs of a value that stand together are still in a text, written as they were.

    Args:
        text: What the scrubber left.
        pieces: Of the written value, each as its signs, in whatever way one sign is written.
    """
    return any(
        "".join(piece[at : at + SHOWS]) in text
        for piece in pieces
        for at in range(max(1, len(piece) - SHOWS + 1))
    )


def _alike(word: str, left: str) -> bool:
    """Whether a word stayed; of an id, whether something of its form did."""
    return word == left or (_form(word) == _form(left) and any(map(str.isdigit, word)) and len(word) >= 7)


def _form(word: str) -> str:
    return "".join("x" if sign.isalnum() else sign for sign in word)
