# SPDX-License-Identifier: Apache-2.0
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from node0.errors import BadCheckpoint
from node0.finetune.checkpoint.assembler import assemble_checkpoint
from node0.finetune.checkpoint.peft import export_peft
from node0.finetune.checkpoint.shard import save_shard
from node0.lora.adapter import apply_lora
from node0.lora.lora_config import LoRAConfig
from node0.models.factory import build_stages
from node0.models.llama.arguments import LlamaArguments
from node0.models.stage_name import stage_names
from node0.pipeline.local import LocalPipeline
from node0.pipeline.protocol import Microbatch, TrainStep
from node0.server.stage.shard_file import ShardFacts, from_state, write_shard

ARGS = LlamaArguments(hidden_dim=32, n_heads=2, n_kv_heads=2, num_hidden_layers=4, vocab_size=31, ffn_dim=64)
LORA = LoRAConfig(rank=2, dropout=0.0)
STAGES = [str(name) for name in stage_names(3)]
FACTS = ShardFacts(
    "", 2, version=2, num_stages=3, base_digest="d", lora=LORA.model_dump(), progress='{"step": 2}'
)


def trained(lora: LoRAConfig | None = LORA, args: LlamaArguments = ARGS) -> LocalPipeline:
    """Three stages after two steps."""
    stages = build_stages(args, 3, seed=1)
    for stage in stages:
        if lora is None:
            stage.requires_grad_(requires_grad=True)
        else:
            apply_lora(stage, lora, seed=1)
    pipeline = LocalPipeline(stages)
    for step in range(2):
        pipeline.train_step([batch()], TrainStep(step, 1e-2))
    return pipeline


def batch() -> Microbatch:
    ids = torch.arange(16)[None] % 31
    return Microbatch(ids, torch.arange(16)[None], ids.roll(-1, 1))


def shards(pipeline: LocalPipeline, directory: Path, facts: ShardFacts = FACTS) -> dict[str, Path]:
    return {
        name: write_shard(directory, replace(facts, stage=name), from_state(executor.trained.tensors()))
        for name, executor in zip(STAGES, pipeline.executors, strict=True)
    }


def test_the_adapter_is_what_the_stages_themselves_export(tmp_path: Path) -> None:
    pipeline = trained()
    export_peft(pipeline.stages, tmp_path / "own", base_name="base", base_digest="d")

    merged = assemble_checkpoint(shards(pipeline, tmp_path / "s"), tmp_path / "whole", base_name="base")

    assert merged == tmp_path / "whole" / "merged_lora.safetensors"
    for path in (tmp_path / "own").iterdir():
        assert (tmp_path / "whole" / "adapter" / path.name).read_bytes() == path.read_bytes()
    weights = {name: value for e in pipeline.executors for name, value in e.trained.weights.items()}
    found = load_file(merged)
    assert set(found) == set(weights)
    assert all(torch.equal(found[name], weights[name]) for name in weights)


@pytest.mark.parametrize("num_stages", [1, 3])
def test_one_process_goes_on_from_the_state(tmp_path: Path, num_stages: int) -> None:
    pipeline = trained()
    pipeline.save(tmp_path / "own")
    assemble_checkpoint(shards(pipeline, tmp_path / "s"), tmp_path / "whole")
    stages = build_stages(ARGS, num_stages, seed=1)
    for stage in stages:
        apply_lora(stage, LORA, seed=9)
    resumed = LocalPipeline(stages)

    resumed.load(tmp_path / "whole" / "pipeline")

    for path in (tmp_path / "own").iterdir():
        assert (tmp_path / "whole" / "pipeline" / path.name).read_bytes() == path.read_bytes()
    expected = pipeline.train_step([batch()], TrainStep(2, 1e-2))
    assert resumed.train_step([batch()], TrainStep(2, 1e-2)).loss_sum == pytest.approx(expected.loss_sum)
    assert (tmp_path / "whole" / "trainer.json").read_text() == '{"step": 2}'


def test_all_weights_of_a_tied_model_are_merged(tmp_path: Path) -> None:
    args = ARGS.model_copy(update={"tie_embeddings": True})
    pipeline = trained(None, args)

    merged = assemble_checkpoint(
        shards(pipeline, tmp_path / "s", replace(FACTS, lora=None)), tmp_path / "whole"
    )

    assert merged.name == "merged_full.safetensors"
    assert not (tmp_path / "whole" / "adapter").exists()
    assert {"tok_embeddings.weight", "norm.weight"} <= set(load_file(merged))
    assert "output.weight" not in load_file(merged)


def test_shards_of_modules_are_merged_without_a_state(tmp_path: Path) -> None:
    pipeline = trained()
    paths = {
        name: save_shard(stage, tmp_path / "s", name, 2)
        for name, stage in zip(STAGES, pipeline.stages, strict=True)
    }

    merged = assemble_checkpoint(paths, tmp_path / "whole")

    assert len(load_file(merged)) == sum(len(e.trained.names) for e in pipeline.executors)
    assert sorted(path.name for path in (tmp_path / "whole").iterdir()) == ["digests.json", merged.name]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"step": 3}, "step"),
        ({"version": 1}, "version"),
        ({"base_digest": "e"}, "base_digest"),
        ({"lora": {"rank": 4}}, "lora"),
        ({"progress": "{}"}, "progress"),
        ({"num_stages": 4}, "num_stages"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_shards_of_two_cuts_are_not_joined(tmp_path: Path, change: dict[str, object], field: str) -> None:
    pipeline = trained()
    paths = shards(pipeline, tmp_path / "s")
    other = replace(FACTS, stage="tail-2", **change)  # type: ignore[arg-type]  # one field of any type
    paths["tail-2"] = write_shard(tmp_path / "o", other, from_state(pipeline.executors[2].trained.tensors()))

    with pytest.raises(BadCheckpoint, match=f"another {field}"):
        assemble_checkpoint(paths, tmp_path / "whole")
    assert not (tmp_path / "whole").exists()
    assert not list(tmp_path.glob(".whole*"))


def test_a_missing_stage_is_named(tmp_path: Path) -> None:
    paths = shards(trained(), tmp_path / "s")
    del paths["body-1"]

    with pytest.raises(BadCheckpoint, match="lacks stage body-1"):
        assemble_checkpoint(paths, tmp_path / "whole")
    with pytest.raises(BadCheckpoint, match="lacks stage"):
        assemble_checkpoint({}, tmp_path / "whole")


def test_a_shard_of_another_stage_is_refused(tmp_path: Path) -> None:
    paths = shards(trained(), tmp_path / "s")
    paths["body-1"] = paths["head-0"]

    with pytest.raises(BadCheckpoint, match="is of stage head-0"):
        assemble_checkpoint(paths, tmp_path / "whole")


def test_names_that_are_no_stages_are_refused(tmp_path: Path) -> None:
    for name in ("../x", "body-0", "engine-1"):
        with pytest.raises(BadCheckpoint, match="no stage"):
            assemble_checkpoint({name: tmp_path / "x"}, tmp_path / "whole")


def test_an_earlier_checkpoint_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "whole").mkdir()
    (tmp_path / "whole" / "old").touch()

    assemble_checkpoint(shards(trained(), tmp_path / "s"), tmp_path / "whole")

    assert not (tmp_path / "whole" / "old").exists()
    assert not list(tmp_path.glob(".whole*"))
