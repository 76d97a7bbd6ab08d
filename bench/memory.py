# SPDX-License-Identifier: Apache-2.0
"""The memory estimate of LoRA fine-tuning beside what steps take, over sizes of models and rows.

Every line is a process of its own: a model with random weights, three steps of packed rows. On a GPU the peak
is what torch's allocator held, with gaps; on a processor the highest resident memory. A ratio below 1 would
let a run start that does not fit:

    python bench/memory.py --device cuda --sizes 512x8 qwen3-0.6b 2048x24 --rows 2048 4096
"""

import argparse
import json
import resource
import sys
import time
from typing import Any

from child_process import in_child
from model_sizes import SIZES, arguments

SETTINGS: dict[str, dict[str, object]] = {
    "lora bfloat16": {"dtype": "bfloat16"},
    "lora bfloat16, recomputed": {"dtype": "bfloat16", "budget": 0},
    "lora float32": {"dtype": "float32"},
    "full float32": {"dtype": "float32", "full": True},
}


def main() -> int:
    """Measure every size, rows and settings, and print the ratios."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--sizes", nargs="+", default=["256x4", "512x8"], choices=SIZES)
    parser.add_argument("--rows", nargs="+", type=int, default=[1024], help="tokens a row")
    parser.add_argument("--tokens", type=int, default=4096, help="tokens a microbatch")
    parser.add_argument("--settings", nargs="+", default=list(SETTINGS)[:1], choices=SETTINGS)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(_measure(json.loads(options.one))))
        return 0
    print(
        f"{'':44}{'estimate':>10}{'peak':>10}{'ratio':>7}   MiB on {options.device}, {options.tokens} tokens"
    )
    for settings in options.settings:
        for size in options.sizes:
            for row in options.rows:
                given: dict[str, object] = {
                    "size": size,
                    "row": row,
                    "tokens": max(row, options.tokens),
                    "device": options.device,
                }
                found = in_child(__file__, given | SETTINGS[settings], seconds=900)
                name = f"{size}, rows of {row}, {settings}"
                ratio = found["estimate"] / found["peak"]
                print(
                    f"{name:44}{found['estimate']:10.0f}{found['peak']:10.0f}{ratio:7.2f}   {found['note']}"
                )
    return 0


def _measure(given: dict[str, Any]) -> dict[str, Any]:
    import torch

    from node0.finetune.training.plan.memory_estimate import MIB, MemoryFactors, estimate
    from node0.lora.adapter import apply_lora
    from node0.lora.lora_config import ALL_LINEAR, LoRAConfig
    from node0.pipeline.local import LocalPipeline
    from node0.pipeline.protocol import Microbatch, TrainStep

    device, dtype, args = given["device"], getattr(torch, given["dtype"]), arguments(given["size"])
    lora = (
        None
        if given.get("full")
        else LoRAConfig(rank=16, alpha=32, dropout=0.05, target_modules=list(ALL_LINEAR))
    )
    budget = given.get("budget")
    factors = MemoryFactors(
        tokens=given["tokens"],
        row_length=given["row"],
        base_bytes=dtype.itemsize,
        lora=lora,
        graph_budget=budget,
        on_gpu=device == "cuda",
    )
    stage = _filled(args, device, dtype)
    if lora is not None:
        apply_lora(stage, lora)
    pipeline = LocalPipeline([stage], graph_budget=budget)
    started = time.perf_counter()
    for step in range(3):
        ids, positions = _packed(given["tokens"] // given["row"], given["row"], args.vocab_size, step)
        batch = Microbatch(ids, positions, ids.roll(-1, 1))
        assert not pipeline.train_step([batch, batch], TrainStep(step=step, lr=1e-4)).skipped
    seconds = time.perf_counter() - started
    if device == "cuda":
        peak, used = torch.cuda.max_memory_reserved(), torch.cuda.max_memory_allocated()
        note = f"tensors {used / MIB:.0f}"
    else:
        peak, note = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024, f"{seconds:.0f} s"
    whole = estimate(args, factors)
    parts = {
        name: round(getattr(whole, name) / MIB) for name in ("weights", "trained", "graphs", "workspace")
    }
    return {"estimate": whole.total / MIB, "peak": peak / MIB, "note": f"{note} {parts}"}


def _filled(args: Any, device: str, dtype: Any) -> Any:
    """A stage with random weights that are drawn where they stay."""
    import torch

    from node0.models.factory import empty_stages, fill_stage

    (stage,) = empty_stages(args)
    torch.manual_seed(0)

    def draw(name: str, shape: torch.Size) -> torch.Tensor:
        if name.endswith("norm.weight"):
            return torch.ones(shape, device=device)
        return torch.empty(shape, device=device, dtype=dtype).normal_(std=0.02)

    return fill_stage(stage, draw, device=device, dtype=dtype)


def _packed(rows: int, tokens: int, vocab: int, seed: int) -> tuple[Any, Any]:
    """Ids and positions (rows, tokens): documents of 64 to 512 tokens, and padding behind the last."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(0, vocab, (rows, tokens), generator=generator)
    positions = torch.zeros_like(ids)
    for row in range(rows):
        start = 0
        while (length := int(torch.randint(64, 513, (), generator=generator))) <= tokens - start:
            positions[row, start : start + length] = torch.arange(length)
            start += length
    return ids, positions


if __name__ == "__main__":
    sys.exit(main())
