# SPDX-License-Identifier: Apache-2.0
"""Learning rate and warm-up of a run that names none: from what it trains, and from how long.

An adapter wants about ten times the rate of all weights, and the narrower the model the more; the numbers and
their sources are in ADR 219.
"""

import math

from node0.finetune.config import FineTuneConfig
from node0.models.hf.hf_arguments import HFArguments
from node0.models.llama.arguments import LlamaArguments

ADAPTER_RATE = 5e-4
"Of an adapter on a model of `ADAPTER_WIDTH`: Thinking Machines, LoRA Without Regret (2025), fitted on Llama."

ADAPTER_WIDTH = 2000

WIDTH_POWER = 0.78
"How the rate falls with the width, from the same fit."

HIGHEST_RATE = 1e-2
"Beyond it AdamW's steps are larger than the weights that they change."

PREFERENCE_SHARE = 0.1
"Of these rates, for DPO, which moves away from its reference sooner than it learns."


def with_rate(config: FineTuneConfig, args: LlamaArguments | HFArguments, total_steps: int) -> FineTuneConfig:
    """The settings with the learning rate and the warm-up that the run will have, as numbers.

    Args:
        config: what was asked for.
        args: the whole model.
        total_steps: of the run.
    """
    chosen: dict[str, float] = {}
    if config.num_warmup_steps is None:
        # The last step is never one of the warm-up, whose first has rate 0.
        chosen["num_warmup_steps"] = min(math.ceil(config.warmup_share * total_steps), total_steps - 1)
    return with_peak_rate(config, args).model_copy(update=chosen)


def with_peak_rate(config: FineTuneConfig, args: LlamaArguments | HFArguments) -> FineTuneConfig:
    """The settings with the learning rate as a number, for who writes them down before the corpus is read."""
    if config.lora is None or "lr" in config.model_fields_set:
        return config
    return config.model_copy(update={"lr": adapter_rate(args.hidden_dim, config.mode)})


def adapter_rate(width: int, mode: str = "sft") -> float:
    """Peak learning rate of an adapter on a model of this width, in two digits."""
    rate = ADAPTER_RATE * (ADAPTER_WIDTH / width) ** WIDTH_POWER
    share = PREFERENCE_SHARE if mode == "dpo" else 1.0
    return float(f"{share * min(HIGHEST_RATE, rate):.1e}")
