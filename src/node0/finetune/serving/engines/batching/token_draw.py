# SPDX-License-Identifier: Apache-2.0
"""Draw the next id of a sequence: mask, sampling, and how likely the id was."""

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from node0.errors import EngineUnavailable
from node0.finetune.serving.engines.batching.sequence import Sequence
from node0.finetune.serving.engines.token_engine import GeneratedToken
from node0.lora.linear import keyed_generator
from node0.models.sampling import draw_token, is_greedy, sample_token


def draw(sequence: Sequence, logits: Tensor, likeliest: int) -> GeneratedToken:
    """The id that follows all of the sequence's ids.

    logits: float32 (vocab,), of the model alone; `likeliest`: their argmax. The draw depends on seed and
    length alone, so that a sequence which is computed again goes on as it would have.

    Raises:
        EngineUnavailable: the mask allows no id, or the likeliest id's logit is no finite number.
    """
    request = sequence.request
    if not math.isfinite(logits[likeliest].item()):
        raise EngineUnavailable(f"the scores of model {request.model} are not numbers; verify its weights")
    allowed = request.mask.allowed() if request.mask is not None else None
    if allowed is not None:
        token_id = _sampled(sequence, _masked(logits, allowed), sample_token)
    elif is_greedy(request.sampling.temperature, request.sampling.top_k):
        token_id = likeliest
    else:
        token_id = _sampled(sequence, logits, draw_token)
    if request.mask is not None:
        request.mask.accept(token_id)
    if request.logprobs is None:
        return GeneratedToken(token_id)
    logprobs = functional.log_softmax(logits, dim=-1)
    values, ids = logprobs.topk(request.logprobs)
    top = zip(ids.tolist(), values.tolist(), strict=True)
    return GeneratedToken(token_id, float(logprobs[token_id]), tuple(top))


def _sampled(sequence: Sequence, logits: Tensor, sample: Callable[..., int]) -> int:
    sampling, generator = sequence.request.sampling, None
    if sampling.temperature > 0:
        generator = keyed_generator("sample", sequence.seed, len(sequence.ids), device=logits.device)
    return sample(logits, sampling.temperature, sampling.top_p, sampling.top_k, generator=generator)


def _masked(logits: Tensor, allowed: Tensor) -> Tensor:
    """-inf where an id may not come."""
    if not bool(allowed.any()):
        raise EngineUnavailable("nothing may follow what was written so far; loosen the constraint")
    whole = torch.zeros(logits.shape, dtype=torch.bool, device=logits.device)
    whole[: allowed.shape[0]] = allowed[: logits.shape[0]].to(logits.device)
    return logits.masked_fill(~whole, -torch.inf)
