# SPDX-License-Identifier: Apache-2.0
"""Stages in training and over a cache."""

import pytest
import torch
from torch import Tensor

from node0.lora.adapter import apply_lora, dropout_key, get_lora_parameters
from node0.lora.linear import DropoutKey
from node0.lora.lora_config import ALL_LINEAR, LoRAConfig
from node0.models.factory import build_stages
from node0.models.llama.arguments import LlamaArguments
from node0.models.llama.attention import training_layout
from node0.models.llama.layers import BodyExpert, HeadExpert, LlamaStage, SoloExpert, TailExpert
from node0.models.loss import IGNORE

ARGS = LlamaArguments(
    hidden_dim=32, n_heads=4, n_kv_heads=2, num_hidden_layers=3, vocab_size=61, ffn_dim=48, init_std=0.2
)
CONFIG = LoRAConfig(rank=4, alpha=8, dropout=0.0, target_modules=list(ALL_LINEAR))


def ids(rows: int, tokens: int) -> Tensor:
    return torch.randint(0, 61, (rows, tokens), generator=torch.Generator().manual_seed(rows * 100 + tokens))


def counted(tokens: int) -> Tensor:
    return torch.arange(tokens)[None]


def adapted(args: LlamaArguments = ARGS) -> LlamaStage:
    (stage,) = build_stages(args)
    apply_lora(stage, CONFIG)
    with torch.no_grad():
        for parameter in get_lora_parameters(stage)[1::2]:
            parameter.normal_(std=0.1, generator=torch.Generator().manual_seed(1))
    return stage


def loss_and_gradients(
    stage: LlamaStage, rows: list[tuple[Tensor, Tensor, Tensor]]
) -> tuple[float, list[Tensor]]:
    """Loss and LoRA gradients summed over (ids, positions, labels) microbatches."""
    stage.zero_grad(set_to_none=True)
    total = 0.0
    for input_ids, positions, labels in rows:
        loss, _ = stage.chunked_loss(stage.forward_hidden(input_ids, positions), labels)
        loss.backward()
        total += float(loss.detach())
    return total, [parameter.grad.clone() for parameter in get_lora_parameters(stage)]


def packed(lengths: list[int], padding: int) -> tuple[Tensor, Tensor, Tensor]:
    tokens = ids(1, sum(lengths) + padding)
    positions = torch.cat([torch.arange(n) for n in lengths] + [torch.zeros(padding, dtype=torch.long)])[None]
    labels = tokens.roll(-1, 1).clone()
    ends = torch.tensor(lengths).cumsum(0) - 1
    labels[0, ends] = IGNORE
    labels[0, sum(lengths) :] = IGNORE
    labels[0, ::5] = IGNORE
    return tokens, positions, labels


def unpacked(row: tuple[Tensor, Tensor, Tensor], lengths: list[int]) -> list[tuple[Tensor, Tensor, Tensor]]:
    pieces, start = [], 0
    for length in lengths:
        span = slice(start, start + length)
        pieces.append((row[0][:, span], counted(length), row[2][:, span]))
        start += length
    return pieces


@pytest.mark.parametrize("window", [None, 6])
@pytest.mark.parametrize(
    ("lengths", "padding", "way"),
    [
        ([9, 1, 14, 8], 4, "mask"),
        ([70, 1, 90, 60], 40, "documents"),
        ([30, 25], 0, "mask"),
        ([40], 0, "rows"),
    ],
)
def test_packed_rows_equal_unpacked_rows(
    lengths: list[int], padding: int, way: str, window: int | None
) -> None:
    stage = adapted(ARGS.model_copy(update={"sliding_window": window}))
    row = packed(lengths, padding)
    layout = training_layout(row[1], window)

    loss, gradients = loss_and_gradients(stage, [row])
    wanted_loss, wanted = loss_and_gradients(stage, unpacked(row, lengths))

    taken = "documents" if layout.documents else "mask" if layout.mask is not None else "rows"
    assert taken == ("mask" if window else way)
    assert abs(loss - wanted_loss) < 1e-5 * abs(wanted_loss)
    for ours, theirs in zip(gradients, wanted, strict=True):
        assert torch.allclose(ours, theirs, atol=1e-5, rtol=1e-5)


def test_a_document_does_not_see_another() -> None:
    stage = adapted()
    row = packed([9, 11], 0)
    changed = row[0].clone()
    changed[0, :9] = (changed[0, :9] + 1) % 61

    with torch.no_grad():
        before, after = (stage.forward_hidden(x, row[1]) for x in (row[0], changed))

    assert torch.equal(before[0, 9:], after[0, 9:])
    assert not torch.equal(before[0, :9], after[0, :9])


@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_recomputed_layers_give_the_same_gradients(dropout: float) -> None:
    (stage,) = build_stages(ARGS)
    apply_lora(stage, CONFIG.model_copy(update={"dropout": dropout}))
    x, positions, labels = packed([12, 10], 2)
    results = []
    for recompute in (None, lambda: True):
        stage.zero_grad(set_to_none=True)
        dropout_key(stage, DropoutKey(0, 1, 2))
        loss, _ = stage.chunked_loss(stage.forward_hidden(x, positions, recompute=recompute), labels)
        loss.backward()
        results.append([loss.detach(), *[p.grad.clone() for p in get_lora_parameters(stage)]])

    assert all(torch.equal(kept, again) for kept, again in zip(*results, strict=True))


@pytest.mark.parametrize("trainable_head", [False, True])
def test_the_chunked_loss_equals_the_whole_one(trainable_head: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("node0.models.llama.head_loss.CHUNK_LOGITS", 61 * 5)
    (stage,) = build_stages(ARGS)
    stage.output.weight.requires_grad_(trainable_head)
    hidden = torch.randn(2, 9, 32, requires_grad=True)
    labels = ids(2, 9).clone()
    labels[0, :4] = IGNORE
    wanted_of = [hidden, stage.norm.weight] + ([stage.output.weight] if trainable_head else [])

    loss, count = stage.chunked_loss(hidden, labels)
    gradients = torch.autograd.grad(loss * 0.5, wanted_of)
    whole = torch.nn.functional.cross_entropy(
        stage.logits(hidden).flatten(0, 1), labels.flatten(), ignore_index=IGNORE, reduction="sum"
    )

    assert count == 14
    assert torch.allclose(loss, whole, rtol=1e-5)
    for ours, theirs in zip(gradients, torch.autograd.grad(whole * 0.5, wanted_of), strict=True):
        assert torch.allclose(ours, theirs, atol=1e-5)


@pytest.mark.parametrize("trainable_head", [False, True])
def test_label_logps_equal_the_log_softmax(trainable_head: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("node0.models.llama.head_loss.CHUNK_LOGITS", 61 * 5)
    (stage,) = build_stages(ARGS)
    stage.output.weight.requires_grad_(trainable_head)
    hidden, weights = torch.randn(2, 9, 32, requires_grad=True), torch.randn(2, 9)
    labels = ids(2, 9).clone()
    labels[1, 3:] = IGNORE
    wanted_of = [hidden] + ([stage.output.weight] if trainable_head else [])

    ours = stage.label_logps(hidden, labels)
    gradients = torch.autograd.grad((ours * weights).sum(), wanted_of)
    logps = torch.log_softmax(stage.logits(hidden), -1)
    theirs = logps.gather(-1, labels.clamp(min=0)[..., None])[..., 0] * (labels != IGNORE)

    assert torch.allclose(ours, theirs, atol=1e-5)
    for one, other in zip(gradients, torch.autograd.grad((theirs * weights).sum(), wanted_of), strict=True):
        assert torch.allclose(one, other, atol=1e-5)


def test_loss_of_a_microbatch_without_labels_is_zero() -> None:
    stage = adapted()
    x, positions = ids(1, 7), counted(7)

    loss, count = stage.chunked_loss(stage.forward_hidden(x, positions), torch.full((1, 7), IGNORE))
    loss.backward()

    assert (float(loss.detach()), count) == (0.0, 0)


def test_scoring_keeps_no_graph() -> None:
    stage = adapted()

    with torch.no_grad():
        logps = stage.label_logps(stage.forward_hidden(ids(1, 7), counted(7)), ids(1, 7))

    assert not logps.requires_grad


def test_the_plans_forward_goes_from_ids_to_the_loss_of_each_token() -> None:
    head, body, tail = HeadExpert(first(1)), BodyExpert(first(1, 1)), TailExpert(first(1, 2))
    solo = SoloExpert(ARGS)
    x, labels = ids(2, 6), ids(2, 6)
    labels[0, 0] = IGNORE

    losses = tail(body(head(x)), labels)

    assert losses.shape == (2, 6)
    assert float(losses[0, 0].detach()) == 0.0
    assert torch.equal(losses, solo(x, labels))


def first(layers: int, start: int = 0) -> LlamaArguments:
    return ARGS.model_copy(update={"num_hidden_layers": layers, "first_layer": start})


@pytest.mark.parametrize("window", [None, 5])
@pytest.mark.parametrize("pieces", [[14], [1] * 14, [7, 1, 6], [13, 1]])
def test_a_cache_gives_the_hidden_states_of_the_whole_row(pieces: list[int], window: int | None) -> None:
    stage = adapted(ARGS.model_copy(update={"sliding_window": window}))
    x = ids(1, 14)
    with torch.inference_mode():
        whole = stage.forward_hidden(x, counted(14))
        cache, outputs, start = stage.new_cache(14), [], 0
        for size in pieces:
            positions = torch.arange(start, start + size)[None]
            outputs.append(stage.forward_hidden(x[:, start : start + size], positions, cache))
            start += size

    assert torch.allclose(torch.cat(outputs, dim=1), whole, atol=1e-5)


def test_a_truncated_cache_goes_on_as_if_the_tokens_had_never_been() -> None:
    stage = adapted()
    x = ids(1, 9)
    with torch.inference_mode():
        cache = stage.new_cache(9)
        stage.forward_hidden(x[:, :6], counted(6), cache)
        stage.forward_hidden(x[:, :3], torch.arange(6, 9)[None], cache)
        cache.truncate(6)
        out = stage.forward_hidden(x[:, 6:], torch.arange(6, 9)[None], cache)
        whole = stage.forward_hidden(x, counted(9))

    assert torch.allclose(out, whole[:, 6:], atol=1e-5)


def test_training_works_after_generating() -> None:
    stage = adapted()
    with torch.inference_mode():
        stage.forward_hidden(ids(1, 5), counted(5), stage.new_cache(5))

    loss, _ = loss_and_gradients(stage, [packed([8], 0)])

    assert loss > 0


def test_a_cast_of_the_module_leaves_the_rotary_tables_exact() -> None:
    stage = adapted()
    before = stage.rope(counted(40), 40)
    stage.to(torch.bfloat16)

    after = stage.rope(counted(40), 40)

    assert all(torch.equal(one, other) for one, other in zip(before, after, strict=True))


def test_a_bfloat16_base_points_the_gradient_the_same_way() -> None:
    losses, gradients = [], []
    for dtype in (torch.float32, torch.bfloat16):
        (stage,) = build_stages(ARGS, dtype=dtype)
        apply_lora(stage, CONFIG)
        with torch.no_grad():
            for parameter in get_lora_parameters(stage)[1::2]:
                parameter.normal_(std=0.1, generator=torch.Generator().manual_seed(1))
        loss, found = loss_and_gradients(stage, [packed([60, 40], 0)])
        losses.append(loss)
        gradients.append(torch.cat([gradient.flatten() for gradient in found]))

    assert all(parameter.dtype == torch.float32 for parameter in get_lora_parameters(stage))
    assert abs(losses[1] / losses[0] - 1) < 0.01
    assert float(torch.cosine_similarity(*gradients, dim=0)) > 0.99
