# SPDX-License-Identifier: Apache-2.0
"""Hyperparameters of a LoRA adapter (Hu et al. 2021, arXiv:2106.09685)."""

from collections.abc import Mapping
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

ATTENTION = ("wq", "wk", "wv", "wo")
ALL_LINEAR = (*ATTENTION, "w1", "w2", "w3")


class LoRAConfig(BaseModel):
    """One adapter: `y = W x + (alpha / rank) B A dropout(x)`."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    rank: int = Field(64, ge=1, le=1 << 16)
    "Rows of A and columns of B."

    alpha: float = Field(128.0, gt=0, le=1e6)
    "Scale numerator; twice the rank where it is not given, or null."

    dropout: float = Field(0.05, ge=0, lt=1)
    "Probability that an input feature of A is dropped in training."

    target_modules: list[str] = Field(default_factory=lambda: list(ATTENTION), min_length=1)
    "Linear layers to adapt: wq wk wv wo w1 w2 w3; where transformers computes the base, its own names too."

    @model_validator(mode="before")
    @classmethod
    def _without_null(cls, given: object) -> object:
        if isinstance(given, Mapping) and given.get("alpha", 0) is None:
            return {name: value for name, value in given.items() if name != "alpha"}
        return given

    @model_validator(mode="after")
    def _scaled(self) -> Self:
        if "alpha" not in self.model_fields_set:
            self.alpha = 2.0 * self.rank
        return self
