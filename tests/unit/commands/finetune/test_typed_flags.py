# SPDX-License-Identifier: Apache-2.0
import pytest

from node0.commands.finetune.typed_flags import as_settings

OWN = {"--role", "--lr", "--lora-rank", "--set", "--json"}


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        (["--learning_rate", "1e-4"], ["--set", "learning_rate=1e-4"]),
        (["--learning-rate=1e-4"], ["--set", "learning_rate=1e-4"]),
        (["--max_steps", "7", "--role", "deacon"], ["--set", "max_steps=7", "--role", "deacon"]),
        (["--lora_rank", "8", "--lora-rank", "4"], ["--set", "lora_rank=8", "--lora-rank", "4"]),
        (["--lora.rank", "8"], ["--set", "lora.rank=8"]),
        (["--select.max-per-session=1"], ["--set", "select.max_per_session=1"]),
        (["--learning_rte", "1"], ["--set", "learning_rte=1"]),
        (["--set", "lr=1", "--json"], ["--set", "lr=1", "--json"]),
        (["--rol", "x"], ["--rol", "x"]),
        (["--bf16"], ["--bf16"]),
        (["--seed"], ["--seed"]),
        ([], []),
    ],
)
def test_a_setting_that_has_no_flag_is_read_from_one(typed: list[str], read: list[str]) -> None:
    assert as_settings(typed, OWN) == read
