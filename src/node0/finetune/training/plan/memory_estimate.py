# SPDX-License-Identifier: Apache-2.0
"""Estimate a run's peak memory before anything is loaded.

The estimate is an upper bound of what lives at once: weights, what the optimizer holds for each
trained weight, the autograd graphs of one microbatch, and what its passes take beside them.
"""

from dataclasses import dataclass
from pathlib import Path

from node0.errors import DoesNotFit
from node0.lora.four_bit import BITS
from node0.lora.lora_config import LoRAConfig
from node0.models.hf.hf_arguments import HFArguments
from node0.models.llama.arguments import LlamaArguments
from node0.models.llama.blocks import ffn_dim
from node0.models.llama.head_loss import CHUNK_LOGITS, CHUNK_LOGITS_ON_GPU
from node0.models.llama.rope import head_dim

GIB = 1 << 30
MIB = 1 << 20
PROCESS_BYTES = 780 * MIB
"Interpreter and libraries (torch 2.13 and transformers 5.23 on a CPU: 750 MiB resident after a step)."

PROCESS_BYTES_ON_GPU = 512 * MIB
"Workspaces of libraries, and what the allocator holds in reserve. The context is not in free memory."

GAPS, GAPS_ON_GPU = 1.75, 1.05
"Bytes that memory grows by for a byte of tensors that come and go: a heap leaves gaps between them."

TRAINED_BYTES = 4 + 4 + 8
"A trained weight: itself, its gradient, and AdamW's two moments, in float32."


@dataclass(frozen=True, slots=True)
class MemoryFactors:
    """What the estimate depends on besides the model."""

    tokens: int
    "Rows times tokens of a microbatch."

    row_length: int
    "Longest row."

    base_bytes: int
    "Bytes of a base weight: 4 or 2."

    lora: LoRAConfig | None
    graph_budget: int | None
    "Bytes for graphs; None keeps them all."

    on_gpu: bool = False
    four_bit: bool = False
    "Whether the linear layers of the base are packed."


@dataclass(frozen=True, slots=True)
class MemoryEstimate:
    """Bytes, by what holds them."""

    weights: int
    trained: int
    graphs: int
    "Of one microbatch, at most the budget, with the gaps between their tensors."

    workspace: int
    "What the passes take beside graphs, and what layers that are recomputed need for it."

    process: int
    gaps: float
    "Times the bytes of tensors that `graphs` is."

    least: int
    "The total when every layer is recomputed."

    @property
    def total(self) -> int:
        """Everything together."""
        return self.weights + self.trained + self.graphs + self.workspace + self.process


def estimate(args: LlamaArguments | HFArguments, factors: MemoryFactors) -> MemoryEstimate:
    """The peak of one process that holds the whole model.

    Args:
        args: the whole model.
        factors: microbatch, precision and adapter.
    """
    everything = count_parameters(args)
    trained = everything if factors.lora is None else count_adapter_parameters(args, factors.lora)
    weights = 0 if factors.lora is None else _base_bytes(args, factors)
    process = PROCESS_BYTES_ON_GPU if factors.on_gpu else PROCESS_BYTES
    kept = _layer_bytes(args, factors) if isinstance(args, HFArguments) else _graph_bytes(args, factors)
    layer = round(_gaps(factors) * kept)
    graphs, passes, again = layer * args.num_hidden_layers, _pass_bytes(args, factors, layer), layer
    # A layer that is recomputed keeps its input, and has its graph while it is.
    again += factors.base_bytes * args.num_hidden_layers * factors.tokens * args.hidden_dim
    fixed = weights + trained * TRAINED_BYTES + passes + process
    budget = None if factors.graph_budget is None else round(_gaps(factors) * factors.graph_budget)
    return MemoryEstimate(
        weights=weights,
        trained=trained * TRAINED_BYTES,
        graphs=graphs if budget is None else min(graphs, budget),
        workspace=passes if budget is None or graphs <= budget else passes + again,
        process=process,
        gaps=_gaps(factors),
        least=fixed + again,
    )


def refuse_oversize(memory: MemoryEstimate, free: int, *, budget_given: bool) -> None:
    """Raise `DoesNotFit` when the run cannot fit, however much is recomputed."""
    needed = memory.total if budget_given else memory.least
    if needed > free:
        raise DoesNotFit(
            f"the run needs {needed / GIB:.1f} GiB and {free / GIB:.1f} GiB are free; "
            "take a smaller base, a lower tokens_per_microbatch, precision=bfloat16 or quantize=nf4"
        )


def count_parameters(args: LlamaArguments | HFArguments) -> int:
    """Weights of the whole model; tied embeddings count once."""
    if isinstance(args, HFArguments):
        return args.parameters
    layers = args.num_hidden_layers * sum(
        width_in * width_out + (width_out if bias else 0)
        for width_in, width_out, bias in _linears(args).values()
    )
    norms = args.num_hidden_layers * (2 * args.hidden_dim + (2 * head_dim(args) if args.qk_norm else 0))
    tables = args.vocab_size * args.hidden_dim * (1 if args.tie_embeddings else 2)
    return layers + norms + tables + args.hidden_dim


def count_adapter_parameters(args: LlamaArguments | HFArguments, lora: LoRAConfig) -> int:
    """Weights of an adapter on the whole model."""
    if isinstance(args, HFArguments):
        return lora.rank * sum(
            linear.count * (linear.width_in + linear.width_out)
            for linear in args.linears
            if linear.name in lora.target_modules
        )
    linears = _linears(args)
    widths = [linears[name][:2] for name in lora.target_modules if name in linears]
    return args.num_hidden_layers * lora.rank * sum(width_in + width_out for width_in, width_out in widths)


def free_bytes(device: str) -> int:
    """Memory that this process may still take: on the accelerator, or of the machine and its cgroup."""
    if device.startswith("cuda"):
        import torch

        return int(torch.cuda.mem_get_info()[0])
    limits = [_available(), *_cgroup_room()]
    return min(limit for limit in limits if limit is not None)


def _linears(args: LlamaArguments) -> dict[str, tuple[int, int, bool]]:
    """Input width, output width and bias of each linear of a layer."""
    hidden, wide = args.hidden_dim, ffn_dim(args)
    queries = args.n_heads * head_dim(args)
    keys = (args.n_kv_heads or args.n_heads) * head_dim(args)
    return {
        "wq": (hidden, queries, args.qkv_bias),
        "wk": (hidden, keys, args.qkv_bias),
        "wv": (hidden, keys, args.qkv_bias),
        "wo": (queries, hidden, args.out_bias),
        "w1": (hidden, wide, args.mlp_bias),
        "w2": (wide, hidden, args.mlp_bias),
        "w3": (hidden, wide, args.mlp_bias),
    }


def _graph_bytes(args: LlamaArguments, factors: MemoryFactors) -> int:
    """What autograd keeps of one layer for one microbatch."""
    linears, lora = _linears(args), factors.lora
    trained = set(linears) if lora is None else {name for name in lora.target_modules if name in linears}
    hidden, wide = args.hidden_dim, ffn_dim(args)
    queries, keys = linears["wq"][1], linears["wk"][1]
    # Turned queries, keys and values; what each document gave, and that behind each other.
    kept = 2 * queries + 2 * (queries if _copies_keys(factors) else keys)
    kept += queries if "wo" in trained else 0
    # The gate, its SiLU and what it is multiplied with.
    kept += 3 * wide + (wide if "w2" in trained else 0)
    kept += sum(hidden for readers in ({"wq", "wk", "wv"}, {"w1", "w3"}) if trained & readers)
    kept += 0 if lora is None else lora.rank * len(trained)
    norms = 2 * hidden + (queries + keys if args.qk_norm else 0)
    # A norm that trains keeps what its weight multiplies too.
    norms *= 2 if lora is None else 1
    return factors.tokens * (factors.base_bytes * kept + 4 * (norms + args.n_heads))


def _base_bytes(args: LlamaArguments | HFArguments, factors: MemoryFactors) -> int:
    """A frozen base."""
    packed = sum(count * size for size, count in _matrices(args)) if factors.four_bit else 0
    return round(packed * BITS / 8) + (count_parameters(args) - packed) * factors.base_bytes


def _matrices(args: LlamaArguments | HFArguments) -> list[tuple[int, int]]:
    """Weights of each linear layer that may be packed, and how many there are of it."""
    if isinstance(args, HFArguments):
        return [(linear.width_in * linear.width_out, linear.count) for linear in args.linears]
    return [
        (width_in * width_out, args.num_hidden_layers) for width_in, width_out, _ in _linears(args).values()
    ]


def _gaps(factors: MemoryFactors) -> float:
    return GAPS_ON_GPU if factors.on_gpu else GAPS


def _copies_keys(factors: MemoryFactors) -> bool:
    """Whether attention gets a key head for each query head (`attention._attended`)."""
    return factors.on_gpu and factors.base_bytes == 4


def _pass_bytes(args: LlamaArguments | HFArguments, factors: MemoryFactors, layer: int) -> int:
    """What a pass takes beside graphs: at the head, or in the backward pass of a layer."""
    tokens, hidden = factors.tokens, args.hidden_dim
    chunk = CHUNK_LOGITS_ON_GPU if factors.on_gpu else CHUNK_LOGITS
    # The chunk's logits twice in float32, and once more as they are multiplied.
    head = (8 + factors.base_bytes) * max(min(chunk, tokens * args.vocab_size), args.vocab_size)
    # Supervised rows: themselves, in float32, normed, and their gradient.
    head += tokens * hidden * (4 + 3 * factors.base_bytes)
    # The gradient of a head that trains, before it is scaled, and of the table that it may be.
    head += 0 if factors.lora is not None else 2 * 4 * args.vocab_size * hidden
    head = round(_gaps(factors) * head)
    turns = 0 if isinstance(args, HFArguments) else 2 * 4 * tokens * head_dim(args)
    fused = factors.on_gpu and factors.base_bytes == 2
    mask = 0 if fused else 5 * tokens * factors.row_length
    # The matrix that is multiplied by, made dense, and its scales in float32.
    unpacked = max(size for size, _ in _matrices(args)) if factors.four_bit else 0
    return max(head, layer) + turns + mask + round(_gaps(factors) * unpacked * (factors.base_bytes + 4 / 64))


def _layer_bytes(args: HFArguments, factors: MemoryFactors) -> int:
    """`_graph_bytes` of a model whose layers differ: their mean, where activations are as wide as linears."""
    adapted = factors.lora.target_modules if factors.lora is not None else []
    # What a linear gives passes a norm, a rotation or an activation and a product, which keep it once more.
    outputs = 2 * sum(linear.count * linear.width_out for linear in args.linears) + 3 * args.expert_width
    inputs = sum(linear.count * linear.width_in for linear in args.linears if linear.name in adapted)
    depth = max(1, args.num_hidden_layers)
    a_token = (factors.base_bytes * outputs + 4 * inputs) // depth + 4 * 6 * args.hidden_dim
    # Scores of all heads, before and behind the softmax, in float32.
    scores = 2 * 4 * args.n_heads * factors.row_length if args.keeps_scores else 0
    return factors.tokens * (a_token + scores)


def _available() -> int | None:
    meminfo = Path("/proc/meminfo")
    if not meminfo.is_file():
        return _page_count()
    fields = dict(line.split(":", 1) for line in meminfo.read_text().splitlines())
    return int(fields["MemAvailable"].split()[0]) * 1024


def _page_count() -> int:
    import os

    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _cgroup_room() -> list[int]:
    """What the control group leaves, versions 2 and 1; empty without a limit."""
    root = Path("/sys/fs/cgroup")
    pairs = [
        (root / "memory.max", root / "memory.current"),
        (root / "memory/memory.limit_in_bytes", root / "memory/memory.usage_in_bytes"),
    ]
    texts = [
        (limit.read_text().strip(), used.read_text().strip())
        for limit, used in pairs
        if limit.is_file() and used.is_file()
    ]
    return [int(limit) - int(used) for limit, used in texts if limit.isdigit()]
