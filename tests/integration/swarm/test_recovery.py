# SPDX-License-Identifier: Apache-2.0
"""What comes back after a fault is what was there before it; what no replay can heal ends at once."""

from pathlib import Path

import pytest
import torch
from integration.swarm.in_process import Recipe, batch, local, swarm

from node0.errors import NonRetriableError
from node0.pipeline.protocol import Microbatch, SamplingParams, TrainStep

pytestmark = pytest.mark.integration

RECIPE = Recipe(num_stages=2)


def test_what_a_stage_can_never_do_is_not_tried_for_ever(tmp_path: Path) -> None:
    ids = torch.full((1, 8), RECIPE.args.vocab_size)
    unknown = Microbatch(ids, torch.arange(8)[None], ids.clamp(max=5))
    one = local(RECIPE)

    with swarm(tmp_path / "s", RECIPE) as many:
        with pytest.raises(NonRetriableError, match=r"stage 0 at peer .*: index out of range"):
            many.pipeline.train_step([*batch(0), unknown], TrainStep(0, 1e-3))
        with pytest.raises(NonRetriableError, match="index out of range"):
            many.pipeline.score(unknown)
        session = many.pipeline.session(SamplingParams(temperature=0.0), max_length=20)
        token = session.extend([1, 2])
        with pytest.raises(NonRetriableError, match="index out of range"):
            session.extend([RECIPE.args.vocab_size])
        assert many.pipeline.session(SamplingParams(temperature=0.0), max_length=20).extend([1, 2]) == token

        # The stages are as they were.
        assert many.pipeline.train_step(batch(0), TrainStep(0, 1e-3)) == one.train_step(
            batch(0), TrainStep(0, 1e-3)
        )
