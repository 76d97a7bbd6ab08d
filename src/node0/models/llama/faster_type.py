# SPDX-License-Identifier: Apache-2.0
"""Which type of matrices a processor decodes faster with: measured on the products of the model itself."""

import logging
import time
from collections.abc import Callable, Sequence
from functools import cache

import torch
from torch import nn

from node0.models.llama.arguments import LlamaArguments
from node0.models.llama.batch_attention import ROWS
from node0.models.llama.blocks import ffn_dim
from node0.models.llama.packed_layers import pack_matrices
from node0.models.llama.rope import head_dim

Shape = tuple[int, int]
"Features in and out of a matrix."

GAIN = 1.5
"Times faster that bfloat16 must be: products are not all of a step, and float32 rounds less."

SAMPLE = 1 << 23
"Weights that are multiplied by at most: more than a processor's caches hold, read in milliseconds."

SMALL = 1 << 21
"Weights up to which a step waits for calls more than for products; these are float32 unmeasured."

_ROUNDS = 4

logger = logging.getLogger(__name__)


def seconds_of_products(shapes: Sequence[Shape], dtype: torch.dtype) -> float:
    """What the fastest of some rounds of products of a few rows with each of these matrices takes."""
    layers = nn.ModuleList(_ones(*shape, dtype=dtype) for shape in shapes)
    pack_matrices(layers)
    rows = [torch.ones(ROWS, inputs, dtype=dtype) for inputs, _ in shapes]
    found = []
    with torch.inference_mode():
        for _ in range(_ROUNDS):
            began = time.perf_counter()
            for layer, x in zip(layers, rows, strict=True):
                layer(x)
            found.append(time.perf_counter() - began)
    return min(found)


Measure = Callable[[Sequence[Shape], torch.dtype], float]
"Seconds that products with matrices of these shapes take in a type."


def faster_dtype(args: LlamaArguments, *, seconds: Measure = seconds_of_products) -> torch.dtype:
    """bfloat16 where the model's products take much less time in it on this processor, else float32.

    That is measured once a process for each shape of a model, and logged.
    """
    shapes = decode_shapes(args)
    if sum(inputs * outputs for inputs, outputs in shapes) <= SMALL:
        return torch.float32
    return _measured(sample(shapes), seconds)


def decode_shapes(args: LlamaArguments) -> list[Shape]:
    """The matrices that a token passes, projections of the same input joined."""
    dim, hidden, inner = head_dim(args), args.hidden_dim, ffn_dim(args)
    heads, kv_heads = args.n_heads * dim, (args.n_kv_heads or args.n_heads) * dim
    layer = [(hidden, heads + 2 * kv_heads), (heads, hidden), (hidden, 2 * inner), (inner, hidden)]
    return [*layer * args.num_hidden_layers, (hidden, args.vocab_size)]


def sample(shapes: Sequence[Shape], most: int = SAMPLE) -> tuple[Shape, ...]:
    """The first matrices of at most so many weights together; the last one with fewer outputs."""
    taken: list[Shape] = []
    for inputs, outputs in shapes:
        outputs = min(outputs, most // inputs)
        if outputs == 0:
            break
        taken.append((inputs, outputs))
        most -= inputs * outputs
    return tuple(taken)


@cache
def _measured(shapes: tuple[Shape, ...], seconds: Measure) -> torch.dtype:
    wide, narrow = (seconds(shapes, dtype) for dtype in (torch.float32, torch.bfloat16))
    chosen = torch.bfloat16 if narrow * GAIN <= wide else torch.float32
    logger.info(
        "products of %d rows: %.2f ms in float32, %.2f ms in bfloat16; taking %s",
        ROWS,
        wide * 1000,
        narrow * 1000,
        str(chosen).removeprefix("torch."),
    )
    return chosen


def _ones(inputs: int, outputs: int, *, dtype: torch.dtype) -> nn.Linear:
    layer = nn.Linear(inputs, outputs, bias=False, device="meta")
    layer.weight = nn.Parameter(torch.ones(outputs, inputs, dtype=dtype), requires_grad=False)
    return layer
