# SPDX-License-Identifier: Apache-2.0
from eval_fakes import WordTask

from node0.finetune.eval.running.answerer import PromptAnswerer, Sampling, trial_seed


def test_an_inference_function_is_asked_with_all_texts() -> None:
    asked: list[str] = []
    model = PromptAnswerer("m", lambda prompt: asked.append(prompt) or "yes")  # type: ignore[func-returns-value]  # append gives nothing
    turns = [
        {"role": "user", "content": "one"},
        {"role": "user", "content": [{"type": "text", "text": "two"}]},
    ]

    answer = model.answer(
        WordTask("a"),
        {"system": "card", "tools": [], "messages": turns},
        Sampling(0, 1.0, 9),  # type: ignore[typeddict-item]  # as JSON has it
    )

    assert asked == ["card\n\none\n\ntwo"]
    assert answer == [{"type": "text", "text": "yes"}]


def test_seeds_differ_by_whatever_is_asked() -> None:
    seeds = {
        trial_seed(run, item, epoch=epoch, turn=turn)
        for run in (0, 1)
        for item in ("a", "b")
        for epoch in (0, 1)
        for turn in (0, 1)
    }

    assert len(seeds) == 16
    assert trial_seed(3, "x", epoch=2, turn=1) == trial_seed(3, "x", epoch=2, turn=1) < 2**32
