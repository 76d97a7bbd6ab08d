# SPDX-License-Identifier: Apache-2.0
"""A linear layer with low-rank adapters (Hu et al. 2021, arXiv:2106.09685).

    y = W x + b + (alpha / rank) B A dropout(x)

The base weight keeps its name and its type, 4 bits too; A and B are float32, whatever the base is in.
"""

import hashlib
import math
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

from node0.errors import ConfigError, NotFound
from node0.lora.four_bit import dense, frozen_linear, is_packed
from node0.lora.lora_config import LoRAConfig


@dataclass(frozen=True, slots=True)
class DropoutKey:
    """What a dropout mask depends on besides the layer's name.

    Stages, recomputation and replay that use the same key draw the same mask.
    """

    seed: int
    step: int
    microbatch: int


class LoRALinear(nn.Module):
    """`nn.Linear` with any number of named adapters, at most one of them active."""

    weight: nn.Parameter
    bias: nn.Parameter | None
    active: str | None

    def __init__(self, base: nn.Linear, *, layer_name: str = "") -> None:
        super().__init__()
        self.weight = cast(nn.Parameter, base.weight)
        self.bias = cast("nn.Parameter | None", base.bias)
        self.in_features, self.out_features = base.in_features, base.out_features
        self.layer_name = layer_name
        self.lora_A = nn.ParameterDict()
        self.lora_B = nn.ParameterDict()
        self.configs: dict[str, LoRAConfig] = {}
        self.active = None
        self.dropout_key: DropoutKey | None = None
        self._unmerged: Tensor | None = None

    @classmethod
    def from_base(
        cls,
        base: nn.Linear,
        config: LoRAConfig,
        *,
        name: str = "default",
        layer_name: str = "",
        seed: int = 0,
    ) -> "LoRALinear":
        """Wrap `base`, sharing its weight, with one fresh active adapter."""
        layer = cls(base, layer_name=layer_name)
        layer.add_adapter(name, config, seed=seed)
        layer.set_adapter(name)
        return layer

    def add_adapter(self, name: str, config: LoRAConfig, *, seed: int = 0) -> None:
        """Add a fresh adapter: A uniform as `nn.Linear` draws it, B zero, so that y does not change."""
        if not name or "." in name:
            raise ConfigError(f"adapter name {name!r} is not usable; take a name without dots")
        bound = 1 / math.sqrt(self.in_features)
        generator = keyed_generator("lora_A", seed, name, self.layer_name)
        uniform = torch.rand((config.rank, self.in_features), generator=generator)
        # Without its base a layer still has an adapter to hold, export and send.
        device = torch.device("cpu") if self.weight.is_meta else self.weight.device
        self.lora_A[name] = nn.Parameter(((uniform * 2 - 1) * bound).to(device))
        self.lora_B[name] = nn.Parameter(torch.zeros((self.out_features, config.rank), device=device))
        self.configs[name] = config

    def remove_adapter(self, name: str) -> None:
        """Forget an adapter."""
        self._require(name)
        if self.active == name:
            self.set_adapter(None)
        del self.lora_A[name], self.lora_B[name], self.configs[name]

    def set_adapter(self, name: str | None) -> None:
        """Make `name` the active adapter; None leaves the base alone. Undoes a merge."""
        if name is not None:
            self._require(name)
        self.unmerge()
        self.active = name

    @property
    def merged(self) -> bool:
        """The active adapter is inside the weight."""
        return self._unmerged is not None

    @torch.no_grad()
    def merge(self) -> None:
        """Add the active adapter to the weight, for inference. The product is rounded once.

        Raises:
            ConfigError: the weight lies in 4 bits, which the sum would be rounded to.
        """
        if self.active is None or self.merged:
            return
        if is_packed(self.weight):
            raise ConfigError("an adapter is not merged into 4-bit weights; load the base without quantize")
        delta = self.lora_B[self.active].float() @ self.lora_A[self.active].float()
        self._unmerged = self.weight.data
        self.weight.data = (self._unmerged.float() + self.scale(self.active) * delta).to(self.weight.dtype)

    @torch.no_grad()
    def unmerge(self) -> None:
        """Put the weight back exactly as it was before `merge`."""
        if self._unmerged is not None:
            self.weight.data, self._unmerged = self._unmerged, None

    def scale(self, name: str) -> float:
        """alpha / rank of an adapter."""
        config = self.configs[name]
        return config.alpha / config.rank

    def forward(self, x: Tensor) -> Tensor:
        """(..., in_features) to (..., out_features) in the type of x."""
        if self.active is None or self.merged:
            return frozen_linear(x, self.weight, self.bias)
        name = self.active
        lora_a, lora_b, scale = self.lora_A[name], self.lora_B[name], self.scale(name)
        mask = self._dropout(name)
        if torch.is_grad_enabled() and self.weight.requires_grad:
            return self._forward_trainable_base(x, lora_a, lora_b, scale, mask)
        tensors, options = (x, self.weight, self.bias, lora_a, lora_b), (scale, mask)
        y = _LoRA.apply(*tensors, options)  # type: ignore[no-untyped-call]  # torch types no `apply`
        return cast(Tensor, y)

    def _forward_trainable_base(
        self, x: Tensor, lora_a: Tensor, lora_b: Tensor, scale: float, mask: "_Dropout | None"
    ) -> Tensor:
        kept = x if mask is None else mask.apply(x)
        scale = scale if mask is None else scale * mask.gain
        low = functional.linear(kept, lora_a.to(x.dtype))
        return (
            functional.linear(x, self.weight, self.bias) + functional.linear(low, lora_b.to(x.dtype)) * scale
        )

    def _dropout(self, name: str) -> "_Dropout | None":
        rate = self.configs[name].dropout
        if not self.training or rate == 0:
            return None
        if self.dropout_key is None:
            raise ConfigError(
                f"adapter {name!r} has dropout {rate} but no key; call dropout_key() before a step"
            )
        return _Dropout(rate, self.dropout_key, self.layer_name)

    def _require(self, name: str) -> None:
        if name not in self.configs:
            raise NotFound(f"no adapter {name!r}; loaded: {', '.join(sorted(self.configs)) or 'none'}")

    def extra_repr(self) -> str:
        """Sizes and adapter names, for `print(module)`."""
        return f"{self.in_features}, {self.out_features}, adapters={list(self.configs)}, active={self.active}"


@dataclass(frozen=True, slots=True)
class _Dropout:
    """A mask that can be drawn again instead of being kept."""

    rate: float
    key: DropoutKey
    layer_name: str

    @property
    def gain(self) -> float:
        """What keeps the mean: the adapter's scale is multiplied by it instead of every feature."""
        return 1 / (1 - self.rate)

    def apply(self, x: Tensor) -> Tensor:
        """x with its dropped features at 0, differentiable."""
        return x.masked_fill(self.draw(x) == 0, 0.0)

    def draw(self, x: Tensor) -> Tensor:
        """In x's shape, 0 where dropped: ones of x's type on a GPU, elsewhere int16 with all bits set."""
        key = self.key
        generator = keyed_generator(
            "dropout", key.seed, key.step, key.microbatch, self.layer_name, device=x.device
        )
        if x.is_cuda:
            # One pass; of x's type, because products of two types take twice the time there.
            return torch.empty_like(x).bernoulli_(1 - self.rate, generator=generator)
        # Four 16-bit draws from each 64-bit one: drawing floats would cost more than the product.
        words = torch.empty((x.numel() + 3) // 4, dtype=torch.int64, device=x.device)
        words.random_(-(2**63), None, generator=generator)
        draws = words.view(torch.int16)[: x.numel()].view(x.shape)
        # Whole words all the way: comparing, and filling by a bool mask, take twice the time.
        threshold = round(self.rate * 32768) - 16384
        return draws.bitwise_right_shift_(1).sub_(threshold).bitwise_right_shift_(15).bitwise_not_()


def _masked(x: Tensor, keep: Tensor) -> Tensor:
    """x where `keep` says so, else 0. Autograd does not see through it."""
    if keep.is_floating_point():
        return x * keep
    bits = torch.int16 if x.element_size() == 2 else torch.int32
    return (x.view(bits) & keep).view(x.dtype)


class _LoRA(torch.autograd.Function):
    """One node for the whole layer: keeps x and the rank-wide product, nothing else."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        lora_a: Tensor,
        lora_b: Tensor,
        options: tuple[float, _Dropout | None],
    ) -> Tensor:
        """Shapes: x (..., in), weight (out, in) or packed, lora_a (rank, in), lora_b (out, rank)."""
        scale, mask = options
        a, b = lora_a.to(x.dtype), lora_b.to(x.dtype)
        rows = x.reshape(-1, x.shape[-1])
        if mask is not None:
            scale *= mask.gain
        low = (rows if mask is None else _masked(rows, mask.draw(rows))) @ a.t()  # (rows, rank)
        # Not a view: what follows may change it in place, as some families' residual sums do.
        y = functional.linear(rows.view(x.shape), dense(weight), bias)
        y.view(-1, b.shape[0]).addmm_(low, b.t(), alpha=scale)
        ctx.save_for_backward(rows, a, b, low)
        # Frozen, and not a saved tensor: that would forget what a packed weight knows of itself.
        ctx.weight = weight
        ctx.scale, ctx.mask, ctx.shape = scale, mask, x.shape
        ctx.types = (lora_a.dtype, lora_b.dtype)
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of x, A and B; the base is frozen."""
        rows, a, b, low = ctx.saved_tensors
        grad = grad_outputs[0].reshape(-1, b.shape[0])
        keep = None if ctx.mask is None else ctx.mask.draw(rows)
        grad_low = (grad @ b).mul_(ctx.scale)  # (rows, rank)
        grad_a = grad_low.t() @ (rows if keep is None else _masked(rows, keep))
        grad_b = (grad.t() @ low).mul_(ctx.scale)
        grad_x = None
        if ctx.needs_input_grad[0]:
            grad_x = grad @ dense(ctx.weight)
            if keep is None:
                grad_x.addmm_(grad_low, a)
            else:
                grad_x += _masked(grad_low @ a, keep)
            grad_x = grad_x.view(ctx.shape)
        return grad_x, None, None, grad_a.to(ctx.types[0]), grad_b.to(ctx.types[1]), None


def keyed_generator(*key: object, device: torch.device | str = "cpu") -> torch.Generator:
    """A generator whose stream depends on nothing but `key` and the kind of device."""
    digest = hashlib.blake2b("/".join(str(part) for part in key).encode(), digest_size=8).digest()
    return torch.Generator(device=device).manual_seed(int.from_bytes(digest, "little") >> 1)
