# SPDX-License-Identifier: Apache-2.0
import pytest

from node0.finetune.corpus.scoreboard.draws import Draw
from node0.finetune.corpus.scoreboard.negatives import NEGATIVES


@pytest.mark.parametrize("kind", NEGATIVES)
def test_negatives_have_nothing_that_may_go_and_no_mark_is_left(kind: str) -> None:
    texts = set()
    for number in range(100):
        case = NEGATIVES[kind](Draw(f"{kind} {number}"))
        texts.add(case.text)

        assert case.region == case.value == case.after == ""
        assert not any(mark in case.text for mark in ("{s}", "{C}", "{N}", "{i}", "{d}", "{a}"))
    assert len(texts) == 100
