# SPDX-License-Identifier: Apache-2.0
import pytest
import torch
from any_base import FAMILIES, any_model
from torch import Tensor

from node0.models.hf.hf_cache import Continued, HFCache, Past, keeps_the_past
from node0.models.hf.hf_stage import HFStage

PROMPT = torch.randint(3, 280, (1, 30), generator=torch.Generator().manual_seed(1))
"Longer than the windows of 16."


def stage_of(family: str) -> HFStage:
    return HFStage(any_model(family), packs=False).eval()


def counting(stage: HFStage, calls: list[int]) -> HFCache:
    """A cache that notes how many tokens each forward pass had."""

    def step(ids: Tensor, past: Past) -> Continued:
        calls.append(ids.shape[1])
        return stage._continue(ids, past)

    return HFCache(step, keeps=True)


@torch.no_grad()
@pytest.mark.parametrize("family", FAMILIES)
def test_greedy_ids_are_those_of_transformers_own_generate(family: str) -> None:
    stage, ids = stage_of(family), list[int]()
    cache = stage.new_cache(64)
    hidden = cache.extend(PROMPT)
    while len(ids) < 20:
        ids.append(int(stage.logits(hidden[:, -1]).argmax()))
        hidden = cache.extend(torch.tensor([ids[-1:]]))

    wanted = stage.model.generate(
        PROMPT, attention_mask=torch.ones_like(PROMPT), max_new_tokens=20, do_sample=False, eos_token_id=[]
    )
    assert ids == wanted[0, PROMPT.shape[1] :].tolist()
    assert len(cache) == PROMPT.shape[1] + 20


@torch.no_grad()
@pytest.mark.parametrize("family", ["gemma3_text", "mamba2"])
def test_what_was_seen_is_not_computed_again(family: str) -> None:
    stage, calls = stage_of(family), list[int]()
    cache = counting(stage, calls)

    pieces = torch.cat([cache.extend(PROMPT[:, :20]), cache.extend(PROMPT[:, 20:])], dim=1)

    assert calls == [20, *[1] * 10]
    torch.testing.assert_close(pieces, stage._continue(PROMPT, {}).hidden, atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_a_sequence_that_is_cut_goes_on_from_there() -> None:
    stage, calls = stage_of("gemma3_text"), list[int]()
    cache = counting(stage, calls)
    cache.extend(PROMPT)

    cache.truncate(25)
    again = cache.extend(PROMPT[:, 25:])

    assert (len(cache), calls) == (30, [30, 30])
    whole = stage._continue(PROMPT, {}).hidden
    torch.testing.assert_close(again, whole[:, 25:], atol=1e-5, rtol=1e-4)


@torch.no_grad()
@pytest.mark.parametrize("lie", ["forgets", "refuses"])
def test_a_cache_that_does_not_hold_is_found_out_and_done_without(lie: str) -> None:
    stage = stage_of("olmo2")

    def step(ids: Tensor, past: Past) -> Continued:
        if past and lie == "refuses":
            raise TypeError("unexpected keyword argument")
        return Continued(stage._continue(ids, {}).hidden, {"past_key_values": object()})

    assert keeps_the_past(stage._continue, 288, torch.float32, torch.device("cpu"))
    assert not keeps_the_past(step, 288, torch.float32, torch.device("cpu"))
    cache = HFCache(step, keeps=False)
    pieces = torch.cat([cache.extend(PROMPT[:, :20]), cache.extend(PROMPT[:, 20:])], dim=1)
    torch.testing.assert_close(pieces, stage._continue(PROMPT, {}).hidden, atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_its_bytes_are_those_of_keys_and_values() -> None:
    stage = stage_of("olmo2")
    cache = stage.new_cache(64)
    cache.extend(PROMPT)

    layers, keys_and_values, heads, head_dim, bytes_each = 2, 2, 2, 8, 4
    assert cache.nbytes == layers * keys_and_values * heads * head_dim * bytes_each * PROMPT.shape[1]
