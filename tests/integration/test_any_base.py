# SPDX-License-Identifier: Apache-2.0
"""Bases of many families: trained, resumed to the byte, asked and exported as `peft` has them."""

from pathlib import Path
from typing import Any

import pytest
import torch
from any_base import FAMILIES, make_any_base
from peft import PeftModel
from tiny_run import configure, make_base, make_corpus
from torch import Tensor
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel

from node0.commands.infer.load_model import load_model
from node0.commands.infer.model_choice import ModelChoice
from node0.finetune.checkpoint.peft import export_peft, load_peft
from node0.finetune.config import FineTuneConfig
from node0.finetune.export.export import export
from node0.finetune.inference.loading import load_speech
from node0.finetune.inference.reply import Answering
from node0.finetune.inference.source import find_model
from node0.finetune.run_dir import RunDirectory
from node0.finetune.training.engines.run_engine import build_engine
from node0.finetune.training.plan.run_plan import describe, make_plan
from node0.finetune.training.run import train
from node0.lora.adapter import apply_lora, lora_layers
from node0.lora.lora_config import ALL_LINEAR, LoRAConfig
from node0.model_files import ADAPTER_WEIGHTS
from node0.models.base_model import resolve_base
from node0.models.factory import load_stages
from node0.models.hf.hf_base import hf_base
from node0.models.hf.hf_stage import load_hf_stage
from node0.models.stage import Stage
from node0.models.weights import hf_module
from node0.pipeline.local import LocalPipeline
from node0.pipeline.protocol import TrainStep

pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(300),
    pytest.mark.filterwarnings("ignore:.*node0_base_digest.*", "ignore:.*is_gradient_checkpointing.*"),
]

STEPS = 20
GREEDY = Answering(max_tokens=12, temperature=0.0, top_p=1.0)


def config(place: Path, run: str, **changes: Any) -> FineTuneConfig:
    lora = {"rank": 4, "alpha": 8, "dropout": 0.05}
    every = {
        "max_steps": STEPS,
        "microbatches_per_step": 1,
        "eval_every_n_steps": 10,
        "checkpoint_every_n_steps": 10,
    }
    return configure(place, **{"checkpoint_dir": str(place / run), "lora": lora, **every, **changes})


def ids() -> Tensor:
    return torch.randint(3, 280, (2, 40), generator=torch.Generator().manual_seed(2))


@torch.no_grad()
def our_logits(stage: Stage) -> Tensor:
    stage.eval()
    hidden = stage.forward_hidden(ids(), torch.arange(40).expand(2, -1))
    return stage.logits(hidden)  # type: ignore[operator,no-any-return]  # of a stage with a head


@torch.no_grad()
def their_logits(model: PreTrainedModel) -> Tensor:
    return model.eval()(input_ids=ids(), use_cache=False).logits.float()


@pytest.mark.parametrize("family", FAMILIES)
def test_a_base_trains_resumes_to_the_byte_and_peft_reads_the_adapter(family: str, tmp_path: Path) -> None:
    make_corpus(tmp_path / "corpus", sessions=8, uneven=True)
    base = make_any_base(tmp_path, family)

    train(config(tmp_path, "whole"), {})
    train(config(tmp_path, "parts"), {}, stop_after=7)
    train(config(tmp_path, "parts"), {})

    whole, parts = (RunDirectory(tmp_path / run) for run in ("whole", "parts"))
    losses = [record["val_loss"] for record in whole.metrics() if "val_loss" in record]
    assert losses[-1] < losses[0]
    assert (whole.root / ADAPTER_WEIGHTS).read_bytes() == (parts.root / ADAPTER_WEIGHTS).read_bytes()

    plain = their_logits(AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32))
    wrapped = PeftModel.from_pretrained(
        AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32), whole.root
    )
    plan = make_plan(config(tmp_path, "after", init_adapter=str(whole.root)))
    ours, theirs = our_logits(build_engine(plan).stages[0]), their_logits(wrapped)
    assert (theirs - plain).abs().max() > 0.01 * plain.abs().max()
    assert (ours - theirs).abs().max() <= 1e-5 * theirs.abs().max()
    _answers_and_exports_as_peft(whole.root, wrapped, tmp_path)


def _answers_and_exports_as_peft(run: Path, peft: PeftModel, place: Path) -> None:
    """What is asked in words, and what is merged, are that of `peft` over transformers."""
    prompt = "Patrol: what now?"
    model = load_model(ModelChoice(str(run), role="deacon", device="cpu", dtype="float32"), GREEDY)
    try:
        answer = "".join(map(str, model.continue_text(prompt, GREEDY)))
    finally:
        model.close()
    tokenizer = AutoTokenizer.from_pretrained(run)
    asked = torch.tensor([tokenizer(prompt)["input_ids"]])
    out = peft.generate(
        input_ids=asked,
        attention_mask=torch.ones_like(asked),
        max_new_tokens=GREEDY.max_tokens,
        do_sample=False,
        eos_token_id=load_speech(find_model(str(run)), role="deacon").renderer.stop_ids,  # type: ignore[union-attr]  # it has a tokenizer
        pad_token_id=0,
    )
    assert answer == tokenizer.decode(out[0, asked.shape[1] :], skip_special_tokens=True)

    done = export(find_model(str(run)), place / "merged", format="merged")
    merged = their_logits(AutoModelForCausalLM.from_pretrained(place / "merged", dtype=torch.float32))
    assert done.error.largest == 0
    assert (merged - their_logits(peft)).abs().max() <= 1e-5 * merged.abs().max()


@pytest.mark.parametrize("family", ["llama", "qwen3"])
def test_both_kinds_of_stage_have_the_same_loss_and_gradients(family: str, tmp_path: Path) -> None:
    make_corpus(tmp_path / "corpus", uneven=True)
    path = make_base(tmp_path) if family == "llama" else make_any_base(tmp_path, family, head_dim=8)
    lora = LoRAConfig(rank=4, alpha=8, dropout=0.0, target_modules=list(ALL_LINEAR))
    (ours,) = load_stages(resolve_base(path))
    apply_lora(ours, lora)
    for _, layer in lora_layers(ours):
        torch.nn.init.normal_(layer.lora_B["default"], std=0.1)
    export_peft([ours], tmp_path / "adapter", base_name="base", base_digest=None)
    theirs = load_hf_stage(hf_base(path))
    load_peft(tmp_path / "adapter", [theirs])

    batch = next(make_plan(config(tmp_path, "run")).data.steps)
    (loss, wanted), (other, found) = (accumulated(stage, batch) for stage in (ours, theirs))

    assert theirs.packs
    assert wanted.keys() == found.keys() and len(wanted) == 2 * 7 * ours.args.num_hidden_layers
    assert other == pytest.approx(loss, rel=1e-5)
    for name in wanted:
        assert (wanted[name] - found[name]).abs().max() <= 1e-5 * wanted[name].abs().max(), name


def accumulated(stage: Stage, batch: Any) -> tuple[float, dict[str, Tensor]]:
    """The loss of a global batch, and the summed gradient of every adapter's matrix by its name in `peft`."""
    pipeline = LocalPipeline([stage])
    totals = pipeline.accumulate(batch, TrainStep(step=0, lr=0.0))
    sums = pipeline.executors[0].trained.gradients.by_name()
    parts = {name: name.rsplit(".lora_", 1) for name in sums}
    return totals.loss_sum, {
        f"{hf_module(path)}.lora_{matrix}": sums[name] for name, (path, matrix) in parts.items()
    }


def test_all_weights_train_and_the_model_is_read_again(tmp_path: Path) -> None:
    make_corpus(tmp_path / "corpus")
    make_any_base(tmp_path, "gemma3_text")
    changes = {"lora": None, "max_steps": 4, "lr": 1e-3, "num_warmup_steps": 1}

    train(config(tmp_path, "whole", **changes), {})
    train(config(tmp_path, "parts", **changes), {}, stop_after=2)
    train(config(tmp_path, "parts", **changes), {})

    one, two = ((tmp_path / run / "model.safetensors").read_bytes() for run in ("whole", "parts"))
    assert one == two
    logits = their_logits(AutoModelForCausalLM.from_pretrained(tmp_path / "whole"))
    base = their_logits(AutoModelForCausalLM.from_pretrained(tmp_path / "base"))
    assert torch.allclose(logits, our_logits(load_hf_stage(hf_base(tmp_path / "whole"))), atol=1e-5)
    assert (logits - base).abs().max() > 1e-3


@pytest.mark.parametrize("family", ["gpt_oss", "falcon_h1"])
def test_preferences_train_and_layers_are_recomputed_in_little_memory(family: str, tmp_path: Path) -> None:
    make_corpus(tmp_path / "corpus", kind="dpo")
    make_any_base(tmp_path, family)
    changes = {"mode": "dpo", "max_steps": 3, "num_warmup_steps": 1}

    train(config(tmp_path, "much", **changes), {})
    train(config(tmp_path, "little", **changes, graph_budget_mb=0), {})

    much, little = (RunDirectory(tmp_path / run) for run in ("much", "little"))
    assert [record.get("loss") for record in much.metrics()] == [
        record.get("loss") for record in little.metrics()
    ]
    assert (much.root / ADAPTER_WEIGHTS).read_bytes() == (little.root / ADAPTER_WEIGHTS).read_bytes()


def test_the_plan_names_who_computes_and_what_is_adapted(tmp_path: Path) -> None:
    make_corpus(tmp_path / "corpus")
    make_any_base(tmp_path, "phi3")

    told = {row["plan"]: row["value"] for row in describe(make_plan(config(tmp_path, "run")))}

    assert told["computed by"] == "transformers (phi3), in one stage"
    assert told["adapted layers"] == "o_proj, qkv_proj, gate_up_proj, down_proj"
    assert told["trained parameters"] == 2 * 4 * (32 + 32 + 32 + 64 + 32 + 96 + 48 + 32)
