# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest
from eval_fakes import Guesser, WordTask

from node0.errors import BadCheckpoint
from node0.finetune.chat.messages import Request
from node0.finetune.eval.running.answerer import Sampling
from node0.finetune.eval.running.kept_answers import keeping

ASKED: Request = {"system": "", "tools": [], "messages": [{"role": "user", "content": "x"}]}
TASK = WordTask("word-01")


def test_another_seed_request_or_model_is_another_question(tmp_path: Path) -> None:
    model = Guesser()
    with keeping(model, tmp_path / "answers") as kept:
        for seed in (1, 1, 2):
            kept.answer(TASK, ASKED, Sampling(seed, 1.0, 10))
        kept.answer(TASK, {**ASKED, "system": "other"}, Sampling(1, 1.0, 10))
    other = Guesser(digest="d2")
    with keeping(other, tmp_path / "answers") as kept:
        kept.answer(TASK, ASKED, Sampling(1, 1.0, 10))

    assert (model.asked, other.asked) == (3, 1)


@pytest.mark.parametrize("torn", ['{"key": "a', "x" * 10_000])
def test_a_torn_line_is_cut_and_the_next_one_is_whole(torn: str, tmp_path: Path) -> None:
    path = tmp_path / "answers"
    with keeping(Guesser(), path) as kept:
        kept.answer(TASK, ASKED, Sampling(1, 1.0, 10))
    path.write_text(path.read_text() + torn)
    again = Guesser()
    with keeping(again, path) as kept:
        kept.answer(TASK, ASKED, Sampling(1, 1.0, 10))
        kept.answer(TASK, ASKED, Sampling(2, 1.0, 10))

    assert again.asked == 1
    assert torn not in path.read_text()
    assert len(path.read_text().splitlines()) == 2


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "answers").write_text("hello\nyou\n")

    with pytest.raises(BadCheckpoint, match="line 1"), keeping(Guesser(), tmp_path / "answers"):
        pass
