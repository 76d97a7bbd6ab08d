# SPDX-License-Identifier: Apache-2.0
"""Losses against TRL's trainers, on the batches that those trainers make."""

from pathlib import Path
from typing import Any

import pytest
import torch
from datasets import Dataset
from integration.hf_models import CASES, VOCAB, make_model
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit
from torch import Tensor, nn
from transformers import PreTrainedTokenizerFast
from trl import DPOConfig, DPOTrainer, SFTConfig, SFTTrainer

from node0.finetune.data.loss import IGNORE, dpo_loss, sft_loss

# TRL and what it stands on warn about their own future.
pytestmark = [pytest.mark.integration, pytest.mark.filterwarnings("ignore")]

CLOSE = 1e-5


def words(count: int, seed: int) -> str:
    ids = torch.randint(3, VOCAB, (count,), generator=torch.Generator().manual_seed(seed))
    return " ".join(f"w{id}" for id in ids.tolist())


def tokenizer() -> PreTrainedTokenizerFast:
    table = {"<pad>": 0, "<eos>": 1, "<unk>": 2} | {f"w{id}": id for id in range(3, VOCAB)}
    words_only = Tokenizer(WordLevel(table, unk_token="<unk>"))
    words_only.pre_tokenizer = WhitespaceSplit()
    return PreTrainedTokenizerFast(
        tokenizer_object=words_only, pad_token="<pad>", eos_token="<eos>", unk_token="<unk>"
    )


def shared_options(directory: Path) -> dict[str, Any]:
    return {
        "output_dir": str(directory),
        "use_cpu": True,
        "bf16": False,
        "report_to": "none",
        "per_device_train_batch_size": 4,
        "gradient_checkpointing": False,
        "max_length": 64,
        "disable_tqdm": True,
    }


def batch_of(trainer: Any) -> dict[str, Tensor]:
    return dict(next(iter(trainer.get_train_dataloader())))


def aligned(batch: dict[str, Tensor]) -> Tensor:
    """Labels (rows, tokens): the id that follows each input where it is supervised."""
    if "labels" in batch:
        labels = batch["labels"]
    else:
        labels = batch["input_ids"].masked_fill(batch["completion_mask"] == 0, IGNORE)
    return torch.cat((labels[:, 1:], torch.full_like(labels[:, :1], IGNORE)), dim=1)


def logits_of(model: nn.Module, batch: dict[str, Tensor]) -> Tensor:
    return model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits


def test_sft_loss_equals_that_of_trl(tmp_path: Path) -> None:
    model = make_model(CASES["gqa"])
    rows = [{"prompt": words(9, n), "completion": " " + words(5 + 4 * n, 50 + n)} for n in range(4)]
    trainer = SFTTrainer(
        model=model,
        args=SFTConfig(**shared_options(tmp_path), completion_only_loss=True),
        train_dataset=Dataset.from_list(rows),
        processing_class=tokenizer(),
    )
    batch = batch_of(trainer)

    with torch.no_grad():
        theirs = trainer.compute_loss(model, dict(batch))
        ours = sft_loss(logits_of(model, batch), aligned(batch))

    supervised = int((aligned(batch) != IGNORE).sum())
    assert 0 < supervised < batch["input_ids"].numel()
    assert abs(float(ours - theirs)) < CLOSE


def test_dpo_loss_equals_that_of_trl(tmp_path: Path) -> None:
    policy, reference = make_model(CASES["gqa"]), make_model(CASES["gqa"])
    with torch.no_grad():
        for parameter in policy.parameters():
            parameter += 0.02 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(3))
    rows = [
        {"prompt": words(7, n), "chosen": " " + words(6 + n, 20 + n), "rejected": " " + words(9, 40 + n)}
        for n in range(4)
    ]
    trainer = DPOTrainer(
        model=policy,
        ref_model=reference,
        args=DPOConfig(**shared_options(tmp_path), beta=0.2),
        train_dataset=Dataset.from_list(rows),
        processing_class=tokenizer(),
    )
    batch = batch_of(trainer)

    with torch.no_grad():
        theirs = trainer.compute_loss(policy, dict(batch))
        labels = aligned(batch)
        chosen, rejected = logits_of(policy, batch).chunk(2)
        chosen_labels, rejected_labels = labels.chunk(2)
        from_reference = _sequence_logps(logits_of(reference, batch), labels)
        ours = dpo_loss(
            chosen,
            rejected,
            chosen_labels,
            rejected_labels,
            beta=0.2,
            reference_chosen_logps=from_reference[:4],
            reference_rejected_logps=from_reference[4:],
        )
        free = dpo_loss(chosen, rejected, chosen_labels, rejected_labels, beta=0.2)

    assert abs(float(ours - theirs)) < CLOSE
    assert abs(float(free - theirs)) > 1e-2


def _sequence_logps(logits: Tensor, labels: Tensor) -> Tensor:
    """Written out by hand, a row at a time."""
    logps = torch.log_softmax(logits.double(), dim=-1)
    sums = [
        sum(logps[row, t, int(label)] for t, label in enumerate(labels[row]) if label != IGNORE)
        for row in range(labels.shape[0])
    ]
    return torch.stack([torch.as_tensor(total) for total in sums]).float()
