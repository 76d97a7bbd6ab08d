# SPDX-License-Identifier: Apache-2.0
import pytest

from node0.finetune.corpus.scoreboard.draws import Draw
from node0.finetune.corpus.scoreboard.negatives import NEGATIVES
from node0.finetune.corpus.scoreboard.score import LEAD, POSITIVES, TRAIL, scoreboard, shortfalls, shows

CASES, SEED = 20, 3


def all_knowing() -> dict[str, str]:
    """What a perfect scrubber would answer."""
    answers = {}
    for kind, maker in POSITIVES.items():
        for number in range(CASES):
            case = maker(Draw(f"{SEED} values {kind} {number}"))
            answers[f"{LEAD}{case.text}{TRAIL}"] = f"{LEAD}{case.before}[X]{case.after}{TRAIL}"
    return answers


def test_a_perfect_scrubber_scores_one_on_the_plain_suites() -> None:
    answers = all_knowing()
    board = scoreboard(lambda text: answers.get(text, text), cases=CASES, seed=SEED)

    assert {score.share for score in board.scores if score.suite in ("values", "spans", "words")} == {1.0}
    assert list(shortfalls(board)) == []


def test_a_scrubber_that_does_nothing_scores_nothing_and_damages_nothing() -> None:
    board = scoreboard(str, cases=CASES, seed=SEED, examples=2)

    assert {score.share for score in board.scores if score.suite in ("values", "readings")} == {0.0}
    assert {score.share for score in board.scores if score.suite in ("spans", "words")} == {1.0}
    assert len(list(shortfalls(board))) == len(POSITIVES)
    assert all(example.text in example.scrubbed for example in board.examples if example.suite == "values")


def test_a_scrubber_that_takes_everything_has_no_span_right() -> None:
    board = scoreboard(lambda text: "", cases=CASES, seed=SEED)

    assert {score.share for score in board.scores if score.suite == "values"} == {1.0}
    assert {score.share for score in board.scores if score.suite in ("spans", "words")} == {0.0}
    assert len(list(shortfalls(board))) == len(POSITIVES) + len(NEGATIVES)


def test_the_same_seed_gives_the_same_board() -> None:
    boards = [scoreboard(lambda text: text[::2], cases=CASES, seed=seed, examples=1) for seed in (1, 1, 2)]

    assert boards[0] == boards[1]
    assert boards[0] != boards[2]


@pytest.mark.parametrize(
    ("text", "piece", "left"),
    [
        ("xx abcdef yy", "abcdefgh", True),
        ("xx abcde yy", "abcdefgh", False),
        ("abc", "abc", True),
        ("ab", "abc", False),
    ],
)
def test_six_signs_in_a_row_show_a_value(text: str, piece: str, left: bool) -> None:
    assert shows(text, (piece,)) is left
