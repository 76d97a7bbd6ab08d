# SPDX-License-Identifier: Apache-2.0
"""Learning rate and warm-up of a run that names none: from what it trains, and from how long.

An adapter wants about ten times the rate of all weights, more on a narrow model and in a short run; the
numbers and their sources are in ADR 219 and 258.
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

SHORT_RUN, SHORT_RUN_GAIN = 100, 0.5
"From the same source: 15 times the rate of all weights in runs of a hundred steps, 10 in long ones."

LARGEST_GAIN = 1.0
"Of runs of a quarter as many steps and less, as measured: twice the rate of long ones."

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
        chosen["num_warmup_steps"] = _warmup_steps(config.warmup_share, total_steps)
    return with_peak_rate(config, args, total_steps=total_steps).model_copy(update=chosen)


def with_peak_rate(
    config: FineTuneConfig, args: LlamaArguments | HFArguments, *, total_steps: int | None = None
) -> FineTuneConfig:
    """The settings with the learning rate as a number.

    total_steps: None for who writes settings down before the corpus is read; the rate is that of a long run.
    """
    if config.lora is None or "lr" in config.model_fields_set:
        return config
    return config.model_copy(
        update={"lr": adapter_rate(args.hidden_dim, config.mode, total_steps=total_steps)}
    )


def adapter_rate(width: int, mode: str = "sft", *, total_steps: int | None = None) -> float:
    """Peak learning rate of an adapter on a model of this width, in two digits.

    total_steps: of the run; None stands for many.
    """
    rate = ADAPTER_RATE * (ADAPTER_WIDTH / width) ** WIDTH_POWER
    if mode == "dpo":
        return float(f"{PREFERENCE_SHARE * min(HIGHEST_RATE, rate):.1e}")
    return float(f"{min(HIGHEST_RATE, rate * (1 + _gain(total_steps))):.1e}")


def _gain(total_steps: int | None) -> float:
    """What a run of so many steps wants more: with their inverse from a hundred on, below with its root."""
    shortness = 0.0 if total_steps is None else SHORT_RUN / total_steps
    return min(LARGEST_GAIN, SHORT_RUN_GAIN * min(shortness, math.sqrt(shortness)))


def _warmup_steps(share: float, total_steps: int) -> int:
    """That share of the steps, but never the last one, and none where it would be one."""
    # The first step of a warm-up has rate 0, as in transformers: alone it warms nothing up.
    steps = min(math.ceil(share * total_steps), total_steps - 1)
    return 0 if steps == 1 else steps
