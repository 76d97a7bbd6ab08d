# SPDX-License-Identifier: Apache-2.0
"""Split a model into stages of equal FLOPs."""

from collections.abc import Sequence

from node0.errors import ConfigError
from node0.models.llama.arguments import LlamaArguments
from node0.models.llama.blocks import ffn_dim
from node0.models.llama.rope import head_dim

SUPERVISED = 0.5
"Share of tokens that the LM head is taken to see: it skips those without a label, as a user's words are."


def split_layers(
    args: LlamaArguments, num_stages: int, layers_per_stage: Sequence[int] | None = None
) -> list[range]:
    """The layers of each stage, as indices in the whole model.

    `args.num_hidden_layers` is the whole depth. Without `layers_per_stage` the FLOPs of the slowest
    stage are least, the LM head on `SUPERVISED` of the tokens counted to the last; every stage holds at
    least one layer.

    Raises:
        ConfigError: the counts do not add up, or there are more stages than layers.
    """
    depth = args.num_hidden_layers
    counts = list(layers_per_stage) if layers_per_stage is not None else _balanced(args, num_stages)
    if len(counts) != num_stages or sum(counts) != depth or min(counts) < 1:
        raise ConfigError(
            f"layers_per_stage {counts} does not cut {depth} layers into {num_stages} stages; "
            f"give {num_stages} counts of at least 1 whose sum is {depth}"
        )
    starts = [sum(counts[:stage]) for stage in range(num_stages)]
    return [range(start, start + count) for start, count in zip(starts, counts, strict=True)]


def stage_arguments(
    args: LlamaArguments, num_stages: int, layers_per_stage: Sequence[int] | None = None
) -> list[LlamaArguments]:
    """The whole model's arguments cut into those of each stage."""
    return [
        args.model_copy(
            update={"stage": stage, "first_layer": layers.start, "num_hidden_layers": len(layers)}
        )
        for stage, layers in enumerate(split_layers(args, num_stages, layers_per_stage))
    ]


def layer_flops(args: LlamaArguments, tokens: int | None = None) -> int:
    """Multiply-adds per token of one layer's forward pass, in a row of `tokens` (default max_seq_len)."""
    dim, kv_heads = head_dim(args), args.n_kv_heads or args.n_heads
    projections = args.hidden_dim * dim * 2 * (args.n_heads + kv_heads)
    feed_forward = 3 * args.hidden_dim * ffn_dim(args)
    span = min(tokens or args.max_seq_len, args.sliding_window or args.max_seq_len)
    # A token sees half the row on average, in the scores and in the sum of values.
    return projections + feed_forward + args.n_heads * dim * span


def head_flops(args: LlamaArguments) -> int:
    """Multiply-adds per supervised token of the LM head's forward pass."""
    return args.hidden_dim * args.vocab_size


def _balanced(args: LlamaArguments, num_stages: int) -> list[int]:
    depth = args.num_hidden_layers
    if num_stages == 1:
        return [depth]
    if num_stages > depth:
        raise ConfigError(f"{depth} layers cannot fill {num_stages} stages; take at most {depth} stages")
    layer, head = layer_flops(args), round(SUPERVISED * head_flops(args))
    others = num_stages - 1

    def slowest(tail: int) -> tuple[int, int]:
        return max(-(-(depth - tail) // others) * layer, tail * layer + head), -tail

    tail = min(range(1, depth - others + 1), key=slowest)
    each, extra = divmod(depth - tail, others)
    return [each + (stage < extra) for stage in range(others)] + [tail]
