# SPDX-License-Identifier: Apache-2.0
import gc
import random
import weakref

import pytest
import torch
from batch_parts import ARGS, joined_stages, random_ids

from node0.errors import ConfigError
from node0.models.factory import build_stages
from node0.models.llama import packed_layers
from node0.models.llama.adapter_rows import Products
from node0.models.llama.batch_attention import Segment
from node0.models.llama.compiled_linear import CompiledLinear
from node0.models.llama.packed_layers import may_pack
from node0.models.llama.packed_linear import PackedLinear
from node0.pipeline.batch_runner import BatchRunner, blocks_for

FAMILIES = pytest.mark.parametrize(
    "changes",
    [
        {},
        {"n_kv_heads": 1, "qk_norm": True},
        {"n_kv_heads": 4, "qkv_bias": True, "tie_embeddings": True},
        {"sliding_window": 40},
        {"hidden_dim": 512, "ffn_dim": 400, "vocab_size": 300, "tie_embeddings": True, "init_std": 0.05},
    ],
    ids=["llama", "qwen3", "qwen2", "mistral", "packed"],
)


@FAMILIES
def test_logits_are_those_of_the_plain_model(changes: dict[str, object]) -> None:
    args, ids = ARGS.model_copy(update=changes), random_ids(300)
    runner = BatchRunner(joined_stages(args, 2), 20)

    logits = runner.run([Segment(0, 300, range(10))], ids, range(300))

    (plain,) = build_stages(args, 1, seed=3)
    with torch.no_grad():
        expected = plain.eval()(torch.tensor([ids]))[0]
    torch.testing.assert_close(logits, expected, rtol=1e-4, atol=1e-4)


@FAMILIES
@pytest.mark.parametrize("compiles", [True, False], ids=["compiled", "not compiled"])
def test_neither_chunks_nor_neighbours_nor_places_change_a_bit(
    changes: dict[str, object], compiles: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not compiles:
        monkeypatch.setattr(packed_layers, "compiled_product", lambda *_: None)
    args, ids, dice = ARGS.model_copy(update=changes), random_ids(700), random.Random(1)
    runner = BatchRunner(joined_stages(args), 200)
    whole = runner.run([Segment(0, 700, range(22))], ids, range(700))
    scattered = dice.sample(range(30, 120), 22)

    pieces, at = [], 0
    while at < 700:
        count = min(dice.choice([1, 1, 2, 5, 8, 60, 200]), 700 - at)
        others = [Segment(at, 1, range(22)) for at in dice.sample(range(700), 3)]
        segments = [*others, Segment(at, count, scattered)]
        given = [*(ids[other.start] for other in others), *ids[at : at + count]]
        found = runner.run(segments, given, range(3 + count))
        assert torch.equal(found[:3], whole[[other.start for other in others]])
        pieces.append(found[3:])
        at += count

    assert torch.equal(torch.cat(pieces), whole)


def test_a_runner_packs_matrices_of_every_stage_and_keeps_their_type() -> None:
    args = ARGS.model_copy(update={"hidden_dim": 512, "num_hidden_layers": 3})
    stages = joined_stages(args, 3, dtype=torch.bfloat16)

    BatchRunner(stages, 1)

    packed = [
        layer
        for stage in stages
        for layer in stage.modules()
        if isinstance(layer, PackedLinear | CompiledLinear)
    ]
    large = [layer for layer in packed if layer.in_features * layer.out_features >= 1 << 17]
    assert len(large) == (6 if may_pack("cpu", torch.bfloat16) else 0)
    assert [stage.dtype for stage in stages] == [torch.bfloat16] * 3


@pytest.mark.parametrize("compiles", [True, False], ids=["compiled", "not compiled"])
def test_a_prompt_that_goes_on_has_no_logits_yet(compiles: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not compiles:
        monkeypatch.setattr(packed_layers, "compiled_product", lambda *_: None)
    runner = BatchRunner(joined_stages(), 4)

    logits = runner.run([Segment(0, 12, [0])], random_ids(12), [])

    assert (logits.shape, logits.dtype) == ((0, ARGS.vocab_size), torch.float32)


def test_a_copied_block_continues_as_its_source() -> None:
    runner, ids = BatchRunner(joined_stages(), 4), random_ids(12)
    whole = runner.run([Segment(0, 12, [0])], ids, [11])

    runner.copy_block(0, 2)

    assert torch.equal(runner.run([Segment(10, 2, [2])], ids[10:], [1]), whole)


def test_a_closed_runner_holds_neither_weights_nor_what_loads_adapters() -> None:
    class Loader:
        def __call__(self, name: str) -> list[Products]:
            raise AssertionError(name)

    stages, loader = joined_stages(), Loader()
    runner = BatchRunner(stages, 1, load_adapter=loader)
    kept = [weakref.ref(stages.pop()), weakref.ref(loader)]
    del loader

    runner.close()
    gc.collect()

    assert [each() for each in kept] == [None, None]


def test_an_adapter_of_weights_that_take_none_is_refused() -> None:
    runner = BatchRunner(joined_stages(), 1)
    runner.prepare(None)

    with pytest.raises(ConfigError, match="adapter 'a' is not here"):
        runner.prepare("a")


def test_a_block_begun_is_a_block_taken() -> None:
    assert [blocks_for(count) for count in (0, 1, 32, 33)] == [0, 1, 1, 2]
