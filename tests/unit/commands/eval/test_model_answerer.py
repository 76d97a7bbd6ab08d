# SPDX-License-Identifier: Apache-2.0
import pytest
from eval_fakes import WordTask

from node0.commands.eval.model_answerer import loaded_answerer
from node0.errors import NotFound
from node0.finetune.chat.messages import Request
from node0.finetune.eval.running.answerer import Sampling

ASKED: Request = {"system": "card", "tools": [], "messages": [{"role": "user", "content": "go"}]}
TASK = WordTask("a")


def test_a_seed_decides_the_answer(base: str) -> None:
    with loaded_answerer(base, town=None, device="cpu", dtype="float32") as model:
        one, again, other = (model.answer(TASK, ASKED, Sampling(seed, 1.0, 12)) for seed in (1, 1, 2))

    assert one == again != other


def test_what_does_not_fit_the_context_is_not_answered(base: str) -> None:
    long: Request = {**ASKED, "system": "word " * 400}
    with loaded_answerer(base, town=None, device="cpu", dtype="float32") as model:
        assert model.answer(TASK, long, Sampling(1, 1.0, 12)) == []


def test_the_digest_is_of_the_weights_and_their_type(base: str) -> None:
    digests = set()
    for dtype in ("float32", "float32", "bfloat16"):
        with loaded_answerer(base, town=None, device="cpu", dtype=dtype) as model:
            digests.add(model.digest)

    assert len(digests) == 2


def test_no_model_is_no_answerer(tmp_path: object) -> None:
    with (
        pytest.raises(NotFound),
        loaded_answerer("./nowhere", town=None, device="cpu", dtype="float32"),
    ):
        pass


def test_a_replay_is_greedy_and_of_its_own_digest(base: str) -> None:
    with loaded_answerer(base, town=None, device="cpu", dtype="float32") as model:
        replaying = model.replaying()
        one, other = (replaying.answer(TASK, ASKED, Sampling(seed, 1.0, 12)) for seed in (1, 2))

        assert one == other
        assert replaying.name == model.name
        assert replaying.digest != model.digest
        assert replaying.reduce({"role": "user", "content": "go"}) == {"role": "user", "content": "go"}
