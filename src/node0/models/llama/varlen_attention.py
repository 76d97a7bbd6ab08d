# SPDX-License-Identifier: Apache-2.0
"""Causal attention of all documents of packed rows in one call, by torch's variable-length kernel.

It is FlashAttention-2 (Dao 2023, arXiv:2307.08691) over sequences that lie one behind the other, in half
precision on a GPU. It skips what no query sees, and makes no mask and no copies of key heads.
"""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import cast

import torch
from torch import Tensor

try:
    from torch.nn.attention.varlen import varlen_attn
except ImportError:  # torch before 2.10
    varlen_attn = None  # type: ignore[assignment]  # its absence

_WIDEST_HEAD = 256
"Of the kernel."


@dataclass(frozen=True, slots=True)
class Documents:
    """Where the documents of flattened rows begin and end."""

    bounds: Tensor
    "int32 (documents + 1,), on the device of the queries."

    longest: int
    window: int | None
    "Last tokens seen; None is all of the document."

    single: Tensor | None
    "bool (tokens, 1, 1): documents of one token, which are one document in `bounds`; None without any."


def usable(device: torch.device, dtype: torch.dtype, head_dim: int) -> bool:
    """Whether the kernel computes such queries here."""
    if device.type != "cuda" or dtype not in (torch.bfloat16, torch.float16) or head_dim > _WIDEST_HEAD:
        return False
    return _parameters() is not None and torch.cuda.get_device_capability(device) >= (8, 0)


def documents_of(
    runs: Sequence[tuple[int, bool]], device: torch.device, window: int | None = None
) -> Documents:
    """From runs of tokens: how many, and whether each is a document of its own."""
    lengths = torch.tensor([length for length, _ in runs])
    alone = torch.tensor([single for _, single in runs])
    bounds = torch.nn.functional.pad(lengths.cumsum(0), (1, 0)).to(torch.int32)
    single = alone.repeat_interleave(lengths)[:, None, None] if alone.any() else None
    return Documents(
        bounds=bounds.to(device, non_blocking=True),
        longest=int(lengths.max()),
        window=window,
        single=None if single is None else single.to(device, non_blocking=True),
    )


def attend_all(query: Tensor, key: Tensor, value: Tensor, documents: Documents) -> Tensor:
    """query (tokens, heads, head_dim), key and value (tokens, kv heads, head_dim); returns query's shape."""
    groups = query.shape[1] // key.shape[1]
    ends, longest = documents.bounds, documents.longest
    left = -1 if documents.window is None else documents.window - 1
    known = _parameters() or ()
    more = {"enable_gqa": groups > 1} if "enable_gqa" in known else {}
    kernel = cast(Callable[..., Tensor], varlen_attn)
    out = kernel(query, key, value, ends, ends, longest, longest, window_size=(left, 0), **more)
    if documents.single is None:
        return out
    # Softmax over one key is 1.
    return torch.where(documents.single, value.repeat_interleave(groups, dim=1), out)


@cache
def _parameters() -> frozenset[str] | None:
    """What the kernel can be told; None where there is none that knows a window."""
    if varlen_attn is None:
        return None
    names = frozenset(inspect.signature(varlen_attn).parameters)
    return names if "window_size" in names else None
