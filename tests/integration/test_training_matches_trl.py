# SPDX-License-Identifier: Apache-2.0
"""A LoRA run beside TRL's, with the same weights, order and settings, in float32."""

import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from datasets import Dataset
from peft import PeftModel
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast
from trl import SFTConfig, SFTTrainer

from node0.finetune.checkpoint.peft import export_peft
from node0.lora.adapter import apply_lora
from node0.lora.lora_config import ALL_LINEAR, LoRAConfig
from node0.models.base_model import resolve_base
from node0.models.factory import load_stages
from node0.models.llama.layers import LlamaStage
from node0.pipeline.local import LocalPipeline
from node0.pipeline.protocol import IGNORE, Microbatch, TrainStep
from node0.stage_settings import OptimizerConfig

pytestmark = [pytest.mark.integration, pytest.mark.filterwarnings("ignore")]

STEPS, ROWS, ACCUMULATED = 50, 2, 2
LR, MAX_NORM, VOCAB = 1e-2, 2.0, 96


@pytest.fixture
def base(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    config = LlamaConfig(
        hidden_size=48,
        intermediate_size=80,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=2,
        vocab_size=VOCAB,
        max_position_embeddings=64,
        initializer_range=0.15,
    )
    LlamaForCausalLM(config).save_pretrained(tmp_path / "base")
    return tmp_path / "base"


def _examples() -> list[dict[str, list[int]]]:
    """Ids in which each token follows from the one before, supervised in their second half or so."""
    generator = torch.Generator().manual_seed(1)
    examples = []
    for _ in range(STEPS * ACCUMULATED * ROWS):
        length = int(torch.randint(8, 40, (), generator=generator))
        start = int(torch.randint(0, VOCAB, (), generator=generator))
        ids = [(start + 5 * place) % VOCAB for place in range(length)]
        prompt = int(torch.randint(2, length - 1, (), generator=generator))
        examples.append({"input_ids": ids, "labels": [IGNORE] * prompt + ids[prompt:]})
    return examples


def _stages(base: Path, num_stages: int) -> list[LlamaStage]:
    stages = load_stages(resolve_base(str(base)), num_stages)
    for stage in stages:
        apply_lora(stage, LoRAConfig(rank=4, alpha=8, dropout=0.0, target_modules=list(ALL_LINEAR)), seed=2)
    return stages


def _ours(stages: list[LlamaStage], examples: list[dict[str, list[int]]]) -> tuple[list[float], list[float]]:
    pipeline = LocalPipeline(stages, optimizer=OptimizerConfig(max_grad_norm=MAX_NORM))
    losses, norms = [], []
    for number in range(STEPS):
        first = number * ROWS * ACCUMULATED
        batches = [
            _packed(examples[start : start + ROWS])
            for start in range(first, first + ROWS * ACCUMULATED, ROWS)
        ]
        result = pipeline.train_step(batches, TrainStep(step=number, lr=LR * (1 - number / STEPS)))
        losses.append(result.loss_sum / result.n_tokens)
        norms.append(result.grad_norm)
    return losses, norms


def _packed(examples: list[dict[str, list[int]]]) -> Microbatch:
    """The examples in one row, labels moved to the token before the one they name."""
    ids = [token for example in examples for token in example["input_ids"]]
    labels = [label for example in examples for label in [*example["labels"][1:], IGNORE]]
    positions = [place for example in examples for place in range(len(example["input_ids"]))]
    return Microbatch(*(torch.tensor([row]) for row in (ids, positions, labels)))


def _trl(base: Path, adapter: Path, examples: list[dict[str, list[int]]], out: Path) -> list[dict[str, Any]]:
    model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), adapter, is_trainable=True)
    config = SFTConfig(
        output_dir=str(out),
        use_cpu=True,
        bf16=False,
        gradient_checkpointing=False,
        max_steps=STEPS,
        per_device_train_batch_size=ROWS,
        gradient_accumulation_steps=ACCUMULATED,
        learning_rate=LR,
        lr_scheduler_type="linear",
        max_grad_norm=MAX_NORM,
        logging_steps=1,
        train_sampling_strategy="sequential",
        report_to="none",
        save_strategy="no",
        max_length=None,
        disable_tqdm=True,
    )
    trainer = SFTTrainer(
        model=model, args=config, train_dataset=Dataset.from_list(examples), processing_class=_tokenizer()
    )
    trainer.train()
    return [entry for entry in trainer.state.log_history if "loss" in entry]


def _tokenizer() -> PreTrainedTokenizerFast:
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel

    words = Tokenizer(WordLevel({f"w{index}": index for index in range(VOCAB)}, unk_token="w0"))
    return PreTrainedTokenizerFast(tokenizer_object=words, pad_token="w0", eos_token="w1")


def test_fifty_steps_follow_the_losses_and_norms_of_trl(base: Path, tmp_path: Path) -> None:
    examples, stages = _examples(), _stages(base, 2)
    export_peft(stages, tmp_path / "adapter", base_name=str(base), base_digest=None)

    losses, norms = _ours(stages, examples)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        history = _trl(base, tmp_path / "adapter", examples, tmp_path / "trl")

    expected = [entry["loss"] for entry in history]
    assert len(expected) == STEPS
    assert max(abs(ours - theirs) for ours, theirs in zip(losses, expected, strict=True)) < 1e-3
    assert norms == pytest.approx([entry["grad_norm"] for entry in history], rel=1e-3)
    assert any(norm > MAX_NORM for norm in norms) and any(norm < MAX_NORM for norm in norms)
    assert losses[-1] < 0.8 * losses[0], "the run must have learned something"
