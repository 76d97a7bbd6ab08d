# SPDX-License-Identifier: Apache-2.0
"""A checkpoint that was gathered from stages is one that a single process resumes from."""

import dataclasses
from pathlib import Path

import pytest
from safetensors.torch import load_file
from tiny_run import configure, make_base, make_corpus

from node0.finetune.checkpoint.assembler import assemble_checkpoint
from node0.finetune.run_dir import RunDirectory
from node0.finetune.training.output.resume import find_state, read_state
from node0.finetune.training.run import train
from node0.models.stage_name import stage_names
from node0.server.stage.shard_file import ShardFacts, from_state, write_shard

pytestmark = pytest.mark.integration

STEP = 4


def test_a_run_resumed_from_shards_is_the_straight_run(tmp_path: Path) -> None:
    make_corpus(tmp_path / "corpus")
    make_base(tmp_path)
    straight = configure(tmp_path, num_stages=2, checkpoint_dir=str(tmp_path / "straight"), keep_best=False)
    train(straight, {})
    begun = configure(tmp_path, num_stages=2, checkpoint_dir=str(tmp_path / "begun"), keep_best=False)
    train(begun, {}, stop_after=STEP)
    state = tmp_path / "begun" / "training_state" / f"step_{STEP}"
    facts = ShardFacts("", STEP, STEP, num_stages=2, progress=(state / "trainer.json").read_text())
    shards = {}
    for index, name in enumerate(map(str, stage_names(2))):
        held = load_file(state / "pipeline" / f"state-{index:03}.safetensors")
        shards[name] = write_shard(tmp_path, dataclasses.replace(facts, stage=name), from_state(held))
    gathered = assemble_checkpoint(shards, tmp_path / "gathered" / f"step_{STEP}").parent

    found = find_state(RunDirectory(tmp_path / "alone"), gathered)
    assert found == gathered
    assert read_state(found).step == STEP
    alone = configure(tmp_path, num_stages=1, checkpoint_dir=str(tmp_path / "alone"), keep_best=False)
    train(alone, {}, resume=gathered)

    name = "adapter_model.safetensors"
    expected, resumed = load_file(tmp_path / "straight" / name), load_file(tmp_path / "alone" / name)
    assert set(resumed) == set(expected)
    assert all(resumed[key].equal(expected[key]) for key in expected)
