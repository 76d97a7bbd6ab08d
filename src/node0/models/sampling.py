# SPDX-License-Identifier: Apache-2.0
"""Sample the next token: temperature, top-k, top-p."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from node0.errors import BadCheckpoint

_COLDEST = 0.01
"Temperatures below this divide by too little; they are greedy."

_NUCLEI = (256, 4096)
"Sizes in which a nucleus is looked for before all tokens are sorted."


def sample_token(
    logits: Tensor,
    temperature: float = 1.0,
    top_p: float = 0.9,
    top_k: int = 0,
    *,
    generator: torch.Generator | None = None,
) -> int:
    """Draw a token id from logits (vocab,). Temperature 0 is greedy.

    `top_k=0` and `top_p=1.0` keep every token.

    Raises:
        BadCheckpoint: the likeliest token's logit is no finite number.
    """
    flat = logits.reshape(-1)
    best = flat.argmax()  # NaN counts as the largest
    if not math.isfinite(flat[best].item()):
        raise BadCheckpoint(
            f"the model's scores are {flat[best].item()}, not numbers: its weights are damaged, or "
            "bfloat16 is too narrow for them; verify the model, or ask with --dtype float32"
        )
    if is_greedy(temperature, top_k):
        return int(best)
    return draw_token(flat, temperature, top_p, top_k, generator=generator)


def is_greedy(temperature: float, top_k: int) -> bool:
    """Whether the likeliest token is taken."""
    return temperature < _COLDEST or top_k == 1


def draw_token(
    logits: Tensor, temperature: float, top_p: float, top_k: int, *, generator: torch.Generator | None
) -> int:
    """As `sample_token`, where the logits (vocab,) are known to be numbers and the choice is not greedy."""
    probabilities = token_probabilities(logits, temperature=temperature, top_p=top_p, top_k=top_k)
    return _draw(probabilities, generator)


def draw_tokens(
    logits: Tensor, temperatures: Sequence[float], generators: Sequence[torch.Generator]
) -> list[int]:
    """`draw_token` for each row of logits (rows, vocab) with every token kept: the same ids, in one go."""
    colder = torch.tensor(temperatures, dtype=torch.float32, device=logits.device).unsqueeze(-1)
    sums = torch.softmax(logits.float() / colder, dim=-1).cumsum(-1, dtype=torch.float64)
    uniform = torch.stack([_uniform(sums.device, generator) for generator in generators])
    return _where(sums, uniform.unsqueeze(-1)).squeeze(-1).tolist()


def token_probabilities(
    logits: Tensor, *, temperature: float = 1.0, top_p: float = 1.0, top_k: int = 0
) -> Tensor:
    """The distribution that `sample_token` draws from, float32 (vocab,).

    The k likeliest tokens are kept, then, of what they share among them, the likeliest ones until
    `top_p` is reached (Holtzman et al. 2019, arXiv:1904.09751); the token that reaches it is kept.
    """
    scaled = logits.float() if temperature == 1.0 else logits.float() / max(temperature, _COLDEST)
    if 0 < top_k < scaled.shape[-1]:
        kept = scaled.topk(top_k)
        scaled = torch.full_like(scaled, -torch.inf).scatter_(-1, kept.indices, kept.values)
    probabilities = torch.softmax(scaled, dim=-1)
    if top_p >= 1.0:
        return probabilities
    ordered, order = _likeliest(probabilities, top_p)
    ordered[ordered.cumsum(-1) - ordered >= top_p] = 0.0
    # The likeliest token is kept even by top_p = 0.
    ordered[0] = probabilities[order[0]]
    return torch.zeros_like(probabilities).scatter_(-1, order, ordered / ordered.sum())


def _likeliest(probabilities: Tensor, mass: float) -> tuple[Tensor, Tensor]:
    """The likeliest tokens that together reach `mass`, and maybe more, in falling order; and their ids."""
    # Sorting a whole vocabulary costs as much as a layer; a nucleus is mostly small.
    for count in _NUCLEI:
        if count < probabilities.shape[-1]:
            values, ids = probabilities.topk(count)
            if float(values.sum()) >= mass:
                return values, ids
    return probabilities.sort(descending=True, stable=True)


def _draw(probabilities: Tensor, generator: torch.Generator | None) -> int:
    """Where a uniform number falls among the sums; many times faster than `multinomial`."""
    sums = probabilities.cumsum(-1, dtype=torch.float64)
    return int(_where(sums, _uniform(sums.device, generator)))


def _uniform(device: torch.device, generator: torch.Generator | None) -> Tensor:
    return torch.rand((), dtype=torch.float64, device=device, generator=generator)


def _where(sums: Tensor, uniform: Tensor) -> Tensor:
    """Where numbers below 1 (..., 1) fall among sums (..., vocab)."""
    # Tokens of no probability have empty steps, which `right` passes over.
    found = torch.searchsorted(sums, uniform * sums[..., -1:].view(uniform.shape), right=True)
    return found.clamp_(max=sums.shape[-1] - 1)
