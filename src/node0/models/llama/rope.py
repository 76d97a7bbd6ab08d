# SPDX-License-Identifier: Apache-2.0
"""Rotary position embeddings (Su et al. 2021, arXiv:2104.09864) in the half-rotated layout.

Feature i of a head turns with feature i + head_dim / 2, as in the files of Hugging Face, so
weights and adapters are read and written without permuting rows.
"""

import math

import torch
from torch import Tensor, nn

from node0.models.llama.arguments import LlamaArguments, RopeScaling


class RotaryEmbedding(nn.Module):
    """float32 tables of cos and sin that grow with the longest position asked for."""

    cos: Tensor
    sin: Tensor

    def __init__(self, args: LlamaArguments) -> None:
        super().__init__()
        self.args = args
        empty = torch.empty(0, dtype=torch.float32)
        self.register_buffer("cos", empty, persistent=False)
        self.register_buffer("sin", empty, persistent=False)

    def forward(self, positions: Tensor, length: int) -> tuple[Tensor, Tensor]:
        """cos and sin, each float32 (batch, tokens, 1, head_dim); every position is below `length`."""
        # A cast of the whole module would leave tables in a type too coarse for long positions.
        if (
            self.cos.shape[0] < length
            or self.cos.dtype != torch.float32
            or self.cos.device != positions.device
        ):
            self._grow(length, positions.device)
        return self.cos[positions].unsqueeze(2), self.sin[positions].unsqueeze(2)

    # Tables first made while generating must also serve training.
    @torch.inference_mode(mode=False)
    def _grow(self, length: int, device: torch.device) -> None:
        rows = 1 << max(length - 1, 63).bit_length()
        angles = torch.outer(torch.arange(rows, dtype=torch.float32), inverse_frequencies(self.args))
        angles = torch.cat((angles, angles), dim=-1)  # (rows, head_dim)
        sign = torch.ones(angles.shape[1])
        sign[: angles.shape[1] // 2] = -1
        self.cos = angles.cos().to(device)
        self.sin = (angles.sin() * sign).to(device)


def inverse_frequencies(args: LlamaArguments) -> Tensor:
    """float32 (head_dim / 2,): radians per position."""
    dim = head_dim(args)
    exponents = torch.arange(0, dim, 2, dtype=torch.int64).float() / dim
    frequencies = 1.0 / args.rope_theta**exponents
    if args.rope_scaling is None:
        return frequencies
    if args.rope_scaling.rope_type == "linear":
        return frequencies / args.rope_scaling.factor
    return _llama3(frequencies, args.rope_scaling)


def head_dim(args: LlamaArguments) -> int:
    """Width of one attention head."""
    return args.head_dim or args.hidden_dim // args.n_heads


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Turn (batch, tokens, heads, head_dim) by its positions, in float32; same type back.

    `sin` carries the sign of the swapped halves.
    """
    wide = x.float()
    return torch.addcmul(wide * cos, wide.roll(x.shape[-1] // 2, dims=-1), sin).to(x.dtype)


def _llama3(frequencies: Tensor, scaling: RopeScaling) -> Tensor:
    """Stretch long wavelengths by `factor`, keep short ones, blend between (Llama 3.1)."""
    wavelengths = 2 * math.pi / frequencies
    low, high = scaling.low_freq_factor, scaling.high_freq_factor
    turns = scaling.original_max_position_embeddings / wavelengths
    blend = ((turns - low) / (high - low)).clamp(0.0, 1.0)
    return (1 - blend) * frequencies / scaling.factor + blend * frequencies
