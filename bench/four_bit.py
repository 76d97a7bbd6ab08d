# SPDX-License-Identifier: Apache-2.0
"""LoRA on a 4-bit base beside `peft` with bitsandbytes, on the same data: losses of 50 steps and peak memory.

Both kinds of stage, and our own without 4 bits, each in a process of its own. Printed are the worst ratio of
a step's loss to that of `peft`, and the ratio of the peaks: of resident memory on a processor, of what
torch's allocator gave on a GPU.

    python bench/four_bit.py --size 512x8
    python bench/four_bit.py --device cuda --size qwen3-0.6b --dtype bfloat16
"""

import argparse
import json
import resource
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from child_process import in_child
from model_sizes import SIZES, arguments
from temporary import temporary_place

MIB = 1 << 20
PEER = "peft + bitsandbytes"
KINDS = (PEER, "own blocks", "transformers stage", "own blocks, not packed")
RATE = 1e-3


def main() -> int:
    """Train each kind and print the ratios; 1 where a loss is further than 1 % from the peer's."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--dtype", default="float32", choices=("float32", "bfloat16"))
    parser.add_argument("--size", default="256x4", choices=SIZES)
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--tokens", type=int, default=512, help="tokens a step")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    options = vars(parser.parse_args())
    if options["one"]:
        print(json.dumps(_measure(json.loads(options["one"]))))
        return 0
    with temporary_place("four-bit") as place:
        _write_base(place, options)
        found = {
            kind: in_child(__file__, {**options, "kind": kind, "place": str(place)}, seconds=1800)
            for kind in KINDS
        }
    print(f"{options['size']}, {options['steps']} steps of {options['tokens']} tokens, {options['device']}")
    worst = {kind: _print(kind, found[kind], found[PEER]) for kind in KINDS}
    return int(any(worst[kind] > 1.01 for kind in KINDS[:3]))


def _print(kind: str, found: dict[str, Any], peer: dict[str, Any]) -> float:
    pairs = zip(found["losses"], peer["losses"], strict=True)
    worst = float(max(max(mine / its, its / mine) for mine, its in pairs))
    print(
        f"{kind:24} loss {found['losses'][0]:.4f} to {found['losses'][-1]:.4f}, worst ratio {worst:.5f}; "
        f"peak {found['peak'] / MIB:6.0f} MiB, ratio {found['peak'] / peer['peak']:.2f}; "
        f"{found['seconds']:.1f} s, ratio {found['seconds'] / peer['seconds']:.2f}"
    )
    return worst


def _write_base(place: Path, options: dict[str, Any]) -> None:
    import torch

    from node0.finetune.checkpoint.peft import export_peft
    from node0.lora.adapter import apply_lora
    from node0.lora.lora_config import ALL_LINEAR, LoRAConfig
    from node0.models.base_model import export_base
    from node0.models.factory import build_stages

    stages = build_stages(arguments(options["size"]), dtype=getattr(torch, options["dtype"]))
    export_base(stages, place / "base")
    apply_lora(stages[0], LoRAConfig(rank=16, alpha=32, dropout=0.0, target_modules=list(ALL_LINEAR)))
    export_peft(stages, place / "adapter", base_name=str(place / "base"), base_digest=None)


def _measure(given: dict[str, Any]) -> dict[str, Any]:
    import torch

    torch.manual_seed(0)
    steps = _theirs(given) if given["kind"] == PEER else _ours(given)
    started = time.perf_counter()
    losses = list(steps)
    seconds = time.perf_counter() - started
    if given["device"] == "cuda":
        peak = torch.cuda.max_memory_allocated()
    else:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {"losses": losses, "peak": peak, "seconds": seconds}


def _rows(given: dict[str, Any]) -> Iterator[tuple[Any, Any]]:
    """Ids and labels (rows, tokens) of each step; each row counts by a stride of its own."""
    import torch

    generator, length = torch.Generator().manual_seed(1), 128
    vocab = arguments(given["size"]).vocab_size
    for _ in range(given["steps"]):
        starts = torch.randint(3, vocab, (given["tokens"] // length, 1), generator=generator)
        strides = torch.randint(1, 7, starts.shape, generator=generator)
        ids = (starts + strides * torch.arange(length + 1)) % vocab
        yield ids[:, :-1], ids[:, 1:]


def _ours(given: dict[str, Any]) -> Iterator[float]:
    import torch

    from node0.finetune.checkpoint.peft import load_peft
    from node0.lora.adapter import freeze_base_params
    from node0.models.base_model import resolve_base
    from node0.models.factory import load_stages
    from node0.models.hf.hf_base import hf_base
    from node0.models.hf.hf_stage import load_hf_stage
    from node0.pipeline.local import LocalPipeline
    from node0.pipeline.protocol import Microbatch, TrainStep

    place, kind = Path(given["place"]), given["kind"]
    where: dict[str, Any] = {"device": given["device"], "dtype": getattr(torch, given["dtype"])}
    if kind == "transformers stage":
        stages: list[Any] = [load_hf_stage(hf_base(place / "base"), four_bit=True, **where)]
    else:
        packed = kind == "own blocks"
        stages = list(load_stages(resolve_base(place / "base"), four_bit=packed, **where))
    load_peft(place / "adapter", stages)
    freeze_base_params(stages[0])
    pipeline = LocalPipeline(stages)
    for step, (ids, labels) in enumerate(_rows(given)):
        positions = torch.arange(ids.shape[1]).expand_as(ids)
        result = pipeline.train_step([Microbatch(ids, positions, labels)], TrainStep(step=step, lr=RATE))
        yield result.loss_sum / result.n_tokens


def _theirs(given: dict[str, Any]) -> Iterator[float]:
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, BitsAndBytesConfig

    dtype, device = getattr(torch, given["dtype"]), given["device"]
    packing = BitsAndBytesConfig(  # type: ignore[no-untyped-call]  # transformers types it not
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=dtype,
    )
    model: Any = AutoModelForCausalLM.from_pretrained(
        Path(given["place"]) / "base", dtype=dtype, quantization_config=packing, device_map={"": device}
    )
    model = PeftModel.from_pretrained(model, Path(given["place"]) / "adapter", is_trainable=True).train()
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=RATE, weight_decay=0.0)
    for ids, labels in _rows(given):
        logits = model(input_ids=ids.to(device), use_cache=False).logits.flatten(0, 1).float()
        loss: Any = torch.nn.functional.cross_entropy(logits, labels.flatten().to(device))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        optimizer.zero_grad()
        yield float(loss.detach())


if __name__ == "__main__":
    sys.exit(main())
