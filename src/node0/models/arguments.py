# SPDX-License-Identifier: Apache-2.0
"""Arguments that every model family's stage has.

Upper bounds are some ten times what the largest published models have: more is a broken or hostile file.
"""

from pydantic import BaseModel, ConfigDict, Field

from node0.lora.lora_config import ATTENTION

MOST_LAYERS = 1 << 10


class ModelArguments(BaseModel):
    """Shape of one pipeline stage. `num_hidden_layers` counts the layers of this stage."""

    model_config = ConfigDict(extra="forbid", protected_namespaces=(), allow_inf_nan=False)

    hidden_dim: int = Field(default=4096, ge=1, le=1 << 18)
    "Width of the residual stream."

    n_heads: int = Field(default=32, ge=1, le=1 << 12)
    "Query heads."

    num_hidden_layers: int = Field(default=32, ge=0, le=MOST_LAYERS)
    "Transformer layers of this stage."

    stage: int = Field(default=0, ge=0)
    "Index of this stage in the pipeline."

    first_layer: int = Field(default=0, ge=0)
    "Index, in the whole model, of this stage's first layer."

    lora_rank: int | None = None
    "Rank of the adapter made at construction; None makes none."

    lora_alpha: float = 128.0
    "Scale numerator of that adapter."

    lora_dropout: float = 0.05
    "Dropout of that adapter."

    lora_target_modules: list[str] = Field(default_factory=lambda: list(ATTENTION))
    "Linear layers of that adapter."
