# SPDX-License-Identifier: Apache-2.0
"""The learning rate schedule: a linear warm-up, then one of three shapes.

The rate depends on the step alone, so a resumed run needs no scheduler state.
"""

import math
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Schedule:
    """Rises from 0 to `peak` over `warmup` steps; then `shape` leads to 0 at `total` (or stays)."""

    peak: float
    warmup: int
    total: int
    shape: Literal["linear", "cosine", "constant"] = "linear"

    def lr(self, step: int) -> float:
        """The rate of the 0-based `step`; step 0 of a warm-up is 0, as in `transformers`."""
        if step < self.warmup:
            return self.peak * step / self.warmup
        if self.shape == "constant":
            return self.peak
        done = min(1.0, (step - self.warmup) / max(1, self.total - self.warmup))
        if self.shape == "linear":
            return self.peak * (1.0 - done)
        return self.peak * 0.5 * (1.0 + math.cos(math.pi * done))
