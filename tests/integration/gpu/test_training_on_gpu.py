# SPDX-License-Identifier: Apache-2.0
"""Training on a GPU beside the same on the processor: gradients, whole runs, resumption."""

from pathlib import Path

import pytest
import torch
from tiny_run import configure, make_base, make_corpus
from torch import Tensor

from node0.finetune.training.run import train
from node0.lora.adapter import apply_lora
from node0.lora.lora_config import ALL_LINEAR, LoRAConfig
from node0.models.factory import build_stages
from node0.models.llama.arguments import LlamaArguments
from node0.pipeline.local import LocalPipeline
from node0.pipeline.protocol import IGNORE, Microbatch, Preference, TrainStep

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU of CUDA"),
]

PLAIN = LlamaArguments(
    hidden_dim=256, n_heads=4, n_kv_heads=2, num_hidden_layers=4, ffn_dim=512, vocab_size=997, max_seq_len=512
)
KINDS = {
    "grouped queries": PLAIN,
    "normed queries": PLAIN.model_copy(update={"qk_norm": True, "tie_embeddings": True}),
    "window": PLAIN.model_copy(update={"sliding_window": 24}),
}
LENGTHS = [[97, 1, 60, 40, 2], [200], [50, 50, 50, 1, 1, 1, 1]]
"Documents of each row; what is left of its 200 tokens is padding."


def batch(seed: int = 0) -> Microbatch:
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(0, 997, (len(LENGTHS), 200), generator=generator)
    positions = torch.zeros_like(ids)
    labels = torch.full_like(ids, IGNORE)
    for row, lengths in enumerate(LENGTHS):
        start = 0
        for length in lengths:
            positions[row, start : start + length] = torch.arange(length)
            labels[row, start + length // 2 : start + length] = ids[row, start + length // 2]
            start += length
    return Microbatch(ids, positions, labels)


def pipeline(
    args: LlamaArguments,
    device: str,
    dtype: torch.dtype,
    *,
    stages: int = 1,
    dropout: float = 0.0,
    **more: int,
) -> LocalPipeline:
    built = build_stages(args, stages, device=device, dtype=dtype, seed=1)
    config = LoRAConfig(rank=8, alpha=16, dropout=dropout, target_modules=list(ALL_LINEAR))
    generator = torch.Generator().manual_seed(5)
    for stage in built:
        apply_lora(stage, config, seed=2)
        for name, parameter in stage.named_parameters():
            if "lora_B" in name:
                parameter.data = (torch.randn(parameter.shape, generator=generator) * 0.05).to(device)
    return LocalPipeline(built, **more)


def gradients(made: LocalPipeline, step: TrainStep | None = None, count: int = 2) -> tuple[float, Tensor]:
    totals = made.accumulate([batch(seed) for seed in range(count)], step or TrainStep(step=0, lr=1e-3))
    found = [executor.trained.gradients.by_name() for executor in made.executors]
    return totals.loss_sum / totals.count, torch.cat(
        [value.flatten().double().cpu() for names in found for _, value in sorted(names.items())]
    )


def distance(found: Tensor, wanted: Tensor) -> float:
    return float((found - wanted).norm() / wanted.norm())


@pytest.mark.parametrize("kind", KINDS)
def test_loss_and_gradients_are_the_processors(kind: str) -> None:
    loss, wanted = gradients(pipeline(KINDS[kind], "cpu", torch.float32))

    found_loss, found = gradients(pipeline(KINDS[kind], "cuda", torch.float32))

    assert found_loss == pytest.approx(loss, rel=1e-5)
    assert distance(found, wanted) < 1e-4


@pytest.mark.parametrize("kind", KINDS)
def test_bfloat16_stays_close_to_float32(kind: str) -> None:
    loss, wanted = gradients(pipeline(KINDS[kind], "cpu", torch.float32))

    found_loss, found = gradients(pipeline(KINDS[kind], "cuda", torch.bfloat16))

    cosine = float(torch.nn.functional.cosine_similarity(found, wanted, dim=0))
    assert found_loss == pytest.approx(loss, rel=5e-3)
    assert cosine > 0.999


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_recomputed_layers_and_other_cuts_have_the_same_gradients(dtype: torch.dtype) -> None:
    _, wanted = gradients(pipeline(PLAIN, "cuda", dtype, dropout=0.1))

    _, recomputed = gradients(pipeline(PLAIN, "cuda", dtype, dropout=0.1, graph_budget=0))
    _, cut = gradients(pipeline(PLAIN, "cuda", dtype, dropout=0.1, stages=3))

    bound = 1e-5 if dtype == torch.float32 else 2e-2
    assert distance(recomputed, wanted) < bound
    assert float(cut.norm()) == pytest.approx(float(wanted.norm()), rel=bound)


def test_dropout_drops_as_many_as_asked_and_repeats() -> None:
    _, first = gradients(pipeline(PLAIN, "cuda", torch.float32, dropout=0.3))
    _, again = gradients(pipeline(PLAIN, "cuda", torch.float32, dropout=0.3))
    _, other = gradients(pipeline(PLAIN, "cuda", torch.float32, dropout=0.3), TrainStep(step=1, lr=1e-3))
    _, without = gradients(pipeline(PLAIN, "cuda", torch.float32))

    assert distance(again, first) < 1e-5
    assert distance(other, first) > 0.05
    assert 0.05 < distance(first, without) < 2


def test_pairs_have_the_processors_gradients() -> None:
    step = TrainStep(step=0, lr=1e-3, loss="dpo", preference=Preference(0.1))

    def pairs(device: str) -> tuple[float, Tensor]:
        made = pipeline(PLAIN, device, torch.float32)
        rows = batch()
        even = Microbatch(rows.input_ids[:2], rows.positions[:2], rows.labels[:2])
        totals = made.accumulate([even], step)
        found = made.executors[0].trained.gradients.by_name()
        return totals.loss_sum, torch.cat([g.flatten().double().cpu() for _, g in sorted(found.items())])

    loss, wanted = pairs("cpu")
    found_loss, found = pairs("cuda")

    assert found_loss == pytest.approx(loss, rel=1e-4)
    assert distance(found, wanted) < 1e-3


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("kind", ["sft", "dpo"])
def test_a_run_learns_and_goes_on_to_the_same_bytes(tmp_path: Path, precision: str, kind: str) -> None:
    make_corpus(tmp_path / "corpus", kind=kind)
    make_base(tmp_path)
    changes = {"device": "cuda", "precision": precision, "max_steps": 8, "mode": kind, "deterministic": True}
    whole = configure(tmp_path, **changes)
    parted = configure(tmp_path, **changes, checkpoint_dir=str(tmp_path / "parted"))

    train(whole, {})
    train(parted, {}, stop_after=4)
    result = train(parted, {})

    assert result.finished
    assert _losses(whole.checkpoint_dir)[-1] < _losses(whole.checkpoint_dir)[0]
    assert _losses(parted.checkpoint_dir) == _losses(whole.checkpoint_dir)
    assert _weights(whole.checkpoint_dir)
    assert _weights(parted.checkpoint_dir) == _weights(whole.checkpoint_dir)


def test_full_training_learns(tmp_path: Path) -> None:
    make_corpus(tmp_path / "corpus")
    make_base(tmp_path)
    config = configure(tmp_path, device="cuda", lora=None)

    train(config, {})

    assert _losses(config.checkpoint_dir)[-1] < _losses(config.checkpoint_dir)[0]


def _losses(run: Path) -> list[float]:
    import json

    records = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [record["loss"] for record in records if record.get("loss") is not None]


def _weights(run: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(run.glob("training_state/step_*8/pipeline/*"))}
