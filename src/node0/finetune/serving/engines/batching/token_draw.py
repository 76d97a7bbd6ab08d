# SPDX-License-Identifier: Apache-2.0
"""Draw the next id of a sequence: mask, sampling, and how likely the id was."""

import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor
from torch.nn import functional

from node0.errors import EngineUnavailable
from node0.finetune.serving.engines.batching.sequence import Sequence
from node0.finetune.serving.engines.token_engine import GeneratedToken, GenerationRequest
from node0.lora.linear import keyed_generator
from node0.models.sampling import draw_token, draw_tokens, is_greedy, sample_token


def draw(sequence: Sequence, logits: Tensor, likeliest: int, *, ahead: int | None = None) -> GeneratedToken:
    """The id that follows all of the sequence's ids.

    logits: float32 (vocab,), of the model alone; `likeliest`: their argmax; `ahead`: what `draw_ahead` drew.
    The draw depends on seed and length alone, so that a sequence which is computed again goes on as it
    would have.

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
        token_id = _sampled(sequence, logits, draw_token) if ahead is None else ahead
    if request.mask is not None:
        request.mask.accept(token_id)
    if request.logprobs is None:
        return GeneratedToken(token_id)
    logprobs = functional.log_softmax(logits, dim=-1)
    values, ids = logprobs.topk(request.logprobs)
    top = zip(ids.tolist(), values.tolist(), strict=True)
    return GeneratedToken(token_id, float(logprobs[token_id]), tuple(top))


def draw_ahead(rows: Mapping[int, Sequence], logits: Tensor) -> dict[int, int]:
    """The ids that follow sequences by their rows of logits (rows, vocab), where temperature alone decides.

    Drawing them together is faster; each is what it would be alone.
    """
    plain = {row: sequence for row, sequence in rows.items() if _is_plain(sequence.request)}
    if len(plain) < 2:
        return {}
    device = logits.device
    generators = [_generator(sequence, device) for sequence in plain.values()]
    temperatures = [sequence.request.sampling.temperature for sequence in plain.values()]
    own = logits if len(plain) == len(logits) else logits[list(plain)]
    return dict(zip(plain, draw_tokens(own, temperatures, generators), strict=True))


def _is_plain(request: GenerationRequest) -> bool:
    sampling = request.sampling
    whole = sampling.top_p >= 1.0 and sampling.top_k == 0
    return whole and request.mask is None and not is_greedy(sampling.temperature, sampling.top_k)


def _generator(sequence: Sequence, device: torch.device) -> torch.Generator:
    return keyed_generator("sample", sequence.seed, len(sequence.ids), device=device)


def _sampled(sequence: Sequence, logits: Tensor, sample: Callable[..., int]) -> int:
    sampling, generator = sequence.request.sampling, None
    if sampling.temperature > 0:
        generator = _generator(sequence, logits.device)
    return sample(logits, sampling.temperature, sampling.top_p, sampling.top_k, generator=generator)


def _masked(logits: Tensor, allowed: Tensor) -> Tensor:
    """-inf where an id may not come."""
    if not bool(allowed.any()):
        raise EngineUnavailable("nothing may follow what was written so far; loosen the constraint")
    whole = torch.zeros(logits.shape, dtype=torch.bool, device=logits.device)
    whole[: allowed.shape[0]] = allowed[: logits.shape[0]].to(logits.device)
    return logits.masked_fill(~whole, -torch.inf)
