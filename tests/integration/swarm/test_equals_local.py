# SPDX-License-Identifier: Apache-2.0
"""A swarm of real peers does exactly what one process does."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from integration.swarm.in_process import Recipe, batch, local, swarm, with_dropout

from node0.errors import SwarmTimeout
from node0.models.factory import build_stages
from node0.pipeline.protocol import SamplingParams, TrainStep
from node0.pipeline.swarm import roster
from node0.server.stage.trained_weights import TrainedWeights
from node0.stage_settings import OptimizerConfig

pytestmark = pytest.mark.integration

RECIPES = {
    "clipped": Recipe(optimizer=OptimizerConfig(lr=1e-3, max_grad_norm=20.0)),
    "unclipped": Recipe(optimizer=OptimizerConfig(lr=1e-3, max_grad_norm=None)),
    "dropout": with_dropout(Recipe()),
    "pretraining": Recipe(lora=None),
    "tied": Recipe(lora=None, args=Recipe().args.model_copy(update={"tie_embeddings": True})),
    "alone": Recipe(num_stages=1),
}


@pytest.mark.parametrize("name", RECIPES)
def test_twenty_steps_leave_the_same_bytes_as_one_process(name: str, tmp_path: Path) -> None:
    recipe = RECIPES[name]
    one = local(recipe)
    clips = set()

    with swarm(tmp_path / "s", recipe) as many:
        for step in range(20):
            given = TrainStep(step, 1e-3, seed=3)
            expected = one.train_step(batch(step), given)
            found = many.pipeline.train_step(batch(step), given)
            assert found == expected
            clips.add(expected.grad_norm > 20.0)
        many.pipeline.save(tmp_path / "many")
    one.save(tmp_path / "one")

    assert name != "clipped" or clips == {True, False}
    for path in sorted((tmp_path / "one").iterdir()):
        assert (tmp_path / "many" / path.name).read_bytes() == path.read_bytes()


def test_scores_and_texts_are_those_of_one_process(tmp_path: Path) -> None:
    one = local(Recipe())

    with swarm(tmp_path / "s", Recipe()) as many:
        for pipeline in (one, many.pipeline):
            pipeline.train_step(batch(0), TrainStep(0, 1e-2))
        for adapter in (True, False):
            expected = one.score(batch(1)[0], adapter=adapter)
            torch.testing.assert_close(many.pipeline.score(batch(1)[0], adapter=adapter), expected)
        texts = [_text(one), _text(many.pipeline)]

    assert texts[0] == texts[1]


def test_preference_pairs_train_alike(tmp_path: Path) -> None:
    one = local(Recipe())

    with swarm(tmp_path / "s", Recipe()) as many:
        for step in range(4):
            given = TrainStep(step, 1e-3, loss="dpo")
            assert many.pipeline.train_step(batch(step), given) == one.train_step(batch(step), given)


def test_state_of_another_split_is_taken(tmp_path: Path) -> None:
    one = local(replace(Recipe(), num_stages=2))
    one.train_step(batch(0), TrainStep(0, 1e-3))
    one.save(tmp_path / "saved")
    expected = one.train_step(batch(1), TrainStep(1, 1e-3))

    with swarm(tmp_path / "s", Recipe()) as many:
        many.pipeline.load(tmp_path / "saved")
        found = many.pipeline.train_step(batch(1), TrainStep(1, 1e-3))

    assert found.loss_sum == expected.loss_sum
    assert found.grad_norm == pytest.approx(expected.grad_norm, rel=1e-6)


def _text(pipeline: object) -> list[int]:
    session = pipeline.session(SamplingParams(temperature=0.8, seed=5), max_length=64)  # type: ignore[attr-defined]  # both pipelines have sessions
    token, text = session.extend([1, 2, 3]), []
    for _ in range(30):
        text.append(token)
        token = session.extend([token])
    session.rollback(20)
    text.append(session.extend([7]))
    session.close()
    return text


def test_a_state_may_be_larger_than_any_other_frame(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(roster, "MAX_PAYLOAD", 1 << 14)
    recipe = Recipe(lora=None)
    one = local(recipe)
    stages = build_stages(recipe.args, recipe.num_stages, seed=1)
    largest = max(TrainedWeights(stage).largest_state for stage in stages)
    one.train_step(batch(0), TrainStep(0, 1e-3))
    one.save(tmp_path / "one")

    with swarm(tmp_path / "s", recipe, state_bytes=largest) as many:
        many.pipeline.train_step(batch(0), TrainStep(0, 1e-3))
        many.pipeline.save(tmp_path / "many")
    with (
        swarm(tmp_path / "t", recipe, patience=1.0) as many,
        pytest.raises(SwarmTimeout, match="is oversized"),
    ):
        many.pipeline.save(tmp_path / "many")

    for path in sorted((tmp_path / "one").iterdir()):
        assert (tmp_path / "many" / path.name).read_bytes() == path.read_bytes()
