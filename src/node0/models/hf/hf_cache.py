# SPDX-License-Identifier: Apache-2.0
"""What is kept of a sequence that a model of transformers continues: its ids, and that model's own cache."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor

from node0.models.hf.packing_trial import NARROW_BOUND, TRIAL_BOUNDS, trial_ids
from node0.models.kv_cache import SequenceCache

Past = Mapping[str, Any]
"The cache that a forward pass gave, by the name under which the next one takes it; empty at the beginning."

_NAMES = ("past_key_values", "cache_params")
"What caches are called in what models give and take."


class Continued(NamedTuple):
    """What a forward pass with a cache gives."""

    hidden: Tensor
    "(1, tokens, width)"

    past: Past


Continue = Callable[[Tensor, Past], Continued]
"New ids (1, tokens) behind those of a cache."


class HFCache(SequenceCache):
    """One sequence. Where the model's own cache does not hold, everything is computed again at each token."""

    def __init__(self, step: Continue, *, keeps: bool) -> None:
        """Continue by `step`; `keeps` says whether what it gives may be given to it again."""
        self._step, self._keeps = step, keeps
        self._ids: list[int] = []
        self._past: Past = {}

    def extend(self, ids: Tensor) -> Tensor:
        """Hidden (1, new, width) of new ids (1, new)."""
        behind, new = len(self._ids), ids[0].tolist()
        self._ids += new
        if not self._keeps:
            whole = torch.tensor([self._ids], dtype=ids.dtype, device=ids.device)
            return self._step(whole, {}).hidden[:, behind:]
        if not self._past:
            return self._append(torch.tensor([self._ids], dtype=ids.dtype, device=ids.device))[:, behind:]
        # Layers with a state take one token at a time.
        return torch.cat([self._append(part) for part in torch.split(ids, 1, dim=1)], dim=1)

    @property
    def nbytes(self) -> int:
        """Bytes of keys and values in the model's own cache."""
        layers = (layer for past in self._past.values() for layer in getattr(past, "layers", ()))
        held = (value for layer in layers for value in vars(layer).values())
        return sum(value.nbytes for value in held if isinstance(value, Tensor))

    def truncate(self, length: int) -> None:
        """Forget all but the first `length` tokens; they are computed again with the next."""
        if length < len(self._ids):
            # A window has let go of what is before it, and a state cannot be taken back.
            self._ids, self._past = self._ids[:length], {}

    def __len__(self) -> int:
        return len(self._ids)

    def _append(self, ids: Tensor) -> Tensor:
        hidden, self._past = self._step(ids, self._past)
        return hidden


def past_of(output: Any) -> Past:
    """The cache in what a model gave, as it takes it again."""
    found = {name: getattr(output, name, None) for name in _NAMES}
    return {name: past for name, past in found.items() if past is not None}


@torch.no_grad()
def keeps_the_past(step: Continue, vocab_size: int, dtype: torch.dtype, device: torch.device) -> bool:
    """Whether a sequence that is continued through its cache gives what it gives as a whole.

    What the two differ by is measured against what the last tokens differ by when they see nothing before.
    """
    first, second = trial_ids(vocab_size, device)
    whole = step(torch.cat([first, second], dim=1), {}).hidden[:, first.shape[1] :]
    cache = HFCache(step, keeps=True)
    cache.extend(first)
    try:
        continued = cache.extend(second)
    except Exception:  # noqa: BLE001  # a family that does not take what it gave fails wherever it uses it
        return False
    blind = float((step(second, {}).hidden - whole).abs().max())
    return float((continued - whole).abs().max()) <= blind * TRIAL_BOUNDS.get(dtype, NARROW_BOUND)
