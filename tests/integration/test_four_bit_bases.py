# SPDX-License-Identifier: Apache-2.0
"""Bases in 4 bits under both kinds of stage: trained as by `peft`, resumed, merged, refused."""

import importlib.util
import json
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import torch
from any_base import make_any_base
from peft import LoraConfig, PeftModel, get_peft_model
from tiny_run import configure, make_base, make_corpus
from torch import Tensor
from torch.nn import functional
from transformers import AutoModelForCausalLM, BitsAndBytesConfig

from node0.finetune.config import FineTuneConfig
from node0.finetune.run_dir import RunDirectory
from node0.finetune.training.plan.run_plan import describe, make_plan
from node0.finetune.training.run import train
from node0.lora.four_bit import FourBitLinear
from node0.lora.linear import LoRALinear
from node0.model_files import ADAPTER_WEIGHTS
from node0.models.base_model import resolve_base
from node0.models.factory import load_stages
from node0.models.hf.hf_base import hf_base
from node0.models.hf.hf_stage import load_hf_stage
from node0.models.loss import IGNORE
from node0.models.weights import hf_module
from node0.pipeline.protocol import Microbatch

pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(300),
    pytest.mark.skipif(not importlib.util.find_spec("bitsandbytes"), reason="needs the extra `nf4`"),
    pytest.mark.filterwarnings("ignore:.*node0_base_digest.*", "ignore:.*is_gradient_checkpointing.*"),
]

STEPS = 50
KINDS = ["llama", "gemma2"]
"Computed by our own blocks, and by transformers."
NAMES = ["q_proj", "v_proj", "down_proj"]


def base_of(kind: str, place: Path) -> Path:
    make_corpus(place / "corpus", uneven=True)
    return make_base(place, hidden_dim=64, ffn_dim=128) if kind == "llama" else make_any_base(place, kind)


def config(place: Path, run: str = "run", **changes: Any) -> FineTuneConfig:
    target = {"rank": 4, "alpha": 8, "dropout": 0.0, "target_modules": ["wq", "wv", "w2"]}
    every = {"max_steps": STEPS, "num_warmup_steps": 0, "scheduler": "constant", "packing": False, "lr": 3e-3}
    return configure(
        place, **{"checkpoint_dir": str(place / run), "lora": target, "quantize": "nf4", **every, **changes}
    )


def theirs(base: Path) -> Any:
    packing = BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True)
    model = AutoModelForCausalLM.from_pretrained(
        base,
        dtype=torch.float32,
        quantization_config=packing,
        device_map={"": "cpu"},
    )
    return get_peft_model(
        model, LoraConfig(r=4, lora_alpha=8, lora_dropout=0.0, target_modules=NAMES)
    ).train()


def start_as(model: Any, adapter: dict[str, Tensor]) -> None:
    """Give a model of `peft` the first values of our adapter."""
    for name, parameter in model.named_parameters():
        if "lora_" in name:
            path, _, matrix = name.removeprefix("base_model.model.").partition(".lora_")
            parameter.data.copy_(adapter[f"{path}.lora_{matrix[0]}"])


def first_values(plan: Any) -> dict[str, Tensor]:
    from node0.finetune.training.engines.run_engine import build_engine  # loads what is not needed above

    (stage,) = build_engine(plan).stages
    return {
        f"{hf_module(path)}.lora_{side}": getattr(layer, f"lora_{side}")["default"].detach().clone()
        for path, layer in stage.named_modules()
        if isinstance(layer, LoRALinear)
        for side in "AB"
    }


def their_losses(model: Any, steps: Iterable[list[Microbatch]], lr: float) -> list[float]:
    trained = [parameter for name, parameter in model.named_parameters() if "lora_" in name]
    optimizer = torch.optim.AdamW(trained, lr=lr, weight_decay=0.0)
    losses = []
    for batch in steps:
        count = sum(int((microbatch.labels != IGNORE).sum()) for microbatch in batch)
        total = 0.0
        for microbatch in batch:
            logits = model(input_ids=microbatch.input_ids, use_cache=False).logits.flatten(0, 1).float()
            loss = functional.cross_entropy(
                logits, microbatch.labels.flatten(), ignore_index=IGNORE, reduction="sum"
            )
            (loss / count).backward()
            total += float(loss.detach())
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        optimizer.zero_grad()
        losses.append(total / count)
    return losses


@pytest.mark.parametrize("kind", KINDS)
def test_fifty_losses_are_those_of_peft_and_bitsandbytes(kind: str, tmp_path: Path) -> None:
    base = base_of(kind, tmp_path)
    settings = config(tmp_path)
    plan = make_plan(settings)
    model = theirs(base)
    start_as(model, first_values(plan))
    wanted = their_losses(model, (next(plan.data.steps) for _ in range(STEPS)), settings.lr)

    train(settings, {})

    found = [record["loss"] for record in RunDirectory(tmp_path / "run").metrics() if "loss" in record]
    assert wanted[-1] < 0.9 * wanted[0]
    assert len(found) == STEPS
    assert found == pytest.approx(wanted, rel=0.01)


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_resumes_to_the_byte_and_its_adapter_lies_on_the_original_base(
    kind: str, tmp_path: Path
) -> None:
    base = base_of(kind, tmp_path)
    short = {"max_steps": 6, "packing": True}

    train(config(tmp_path, "whole", **short), {})
    train(config(tmp_path, "parts", **short), {}, stop_after=4)
    train(config(tmp_path, "parts", **short), {})

    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert (whole / ADAPTER_WEIGHTS).read_bytes() == (parts / ADAPTER_WEIGHTS).read_bytes()
    named = json.loads((whole / "adapter_config.json").read_text())["base_model_name_or_path"]
    assert Path(named) == base.resolve()
    assert "nf4" in (whole / "README.md").read_text()
    merged = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), whole).merge_and_unload()
    plain = AutoModelForCausalLM.from_pretrained(base)
    (changed,) = {p.dtype for p in merged.parameters()}
    assert changed == torch.float32
    assert any(not torch.equal(a, b) for a, b in zip(merged.parameters(), plain.parameters(), strict=True))


def test_every_matrix_of_the_blocks_is_packed_and_the_head_is_not(tmp_path: Path) -> None:
    own = load_stages(resolve_base(base_of("llama", tmp_path / "a")), 2, four_bit=True)
    other = load_hf_stage(hf_base(base_of("gemma2", tmp_path / "b")), four_bit=True)

    packed = [sum(isinstance(part, FourBitLinear) for part in stage.modules()) for stage in (*own, other)]
    assert packed == [7, 7, 14]
    assert [stage.dtype for stage in (*own, other)] == [torch.float32] * 3


def test_the_plan_says_it_and_its_estimate_is_lower(tmp_path: Path) -> None:
    make_corpus(tmp_path / "corpus")
    make_base(tmp_path, hidden_dim=256, ffn_dim=1024, num_hidden_layers=4)

    packed, plain = make_plan(config(tmp_path)), make_plan(config(tmp_path, quantize=None))

    assert {row["plan"]: row["value"] for row in describe(packed)}["base precision"] == "nf4, float32"
    assert packed.memory.weights < 0.3 * plain.memory.weights


def test_a_state_of_another_precision_is_not_resumed(tmp_path: Path) -> None:
    base_of("llama", tmp_path)
    train(config(tmp_path, max_steps=4), {}, stop_after=2)

    with pytest.raises(Exception, match="precision was 'nf4, float32' and is 'float32'"):
        train(config(tmp_path, max_steps=4, quantize=None), {})


def test_without_the_library_one_line_says_what_to_install(tmp_path: Path) -> None:
    base = base_of("llama", tmp_path)
    absent = "import sys; sys.modules['bitsandbytes'] = None"
    code = f"{absent}; from node0 import cli; sys.exit(cli.main(sys.argv[1:]))"
    flags = ["--role", "deacon", "--base-model", str(base), "--corpus-path", str(tmp_path / "corpus")]
    places = ["--checkpoint-dir", str(tmp_path / "run"), "--max-length", "512", "--load_in_4bit", "true"]

    done = subprocess.run(
        [sys.executable, "-c", code, "finetune", *flags, *places, "--dry-run"],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )

    assert done.returncode == 1
    assert "load_in_4bit (from flag) is quantize=nf4 here" in done.stderr
    assert "pip install 'gastown-finetune[nf4]'" in done.stderr.splitlines()[-1]
