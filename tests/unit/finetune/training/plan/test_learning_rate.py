# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest
from tiny_run import fresh_arguments, settings

from node0.finetune.config import FineTuneConfig
from node0.finetune.training.plan.learning_rate import HIGHEST_RATE, adapter_rate, with_rate


def _config(directory: Path, **changes: object) -> FineTuneConfig:
    given = {**settings(directory), **changes}
    for name in ("lr", "num_warmup_steps"):
        if name not in changes:
            del given[name]
    return FineTuneConfig.model_validate(given)


def test_an_adapter_has_the_fields_rate_on_a_wide_model_and_more_on_a_narrow_one() -> None:
    rates = [adapter_rate(width) for width in (8192, 4096, 2048, 1024, 128)]

    assert 2e-4 <= rates[1] <= 3e-4
    assert rates == sorted(rates)
    assert adapter_rate(1) == HIGHEST_RATE
    assert adapter_rate(4096, "dpo") == pytest.approx(rates[1] / 10, rel=0.05)


def test_a_run_has_the_more_the_shorter_it_is_up_to_twice_the_rate_of_its_width() -> None:
    steps = (1, 25, 50, 100, 200, 1000, 100_000)
    gains = [adapter_rate(4096, total_steps=number) / adapter_rate(4096) - 1 for number in steps]

    assert gains == pytest.approx([1, 1, 0.5 * 2**0.5, 0.5, 0.25, 0.05, 0], abs=0.04)
    assert gains == sorted(gains, reverse=True)
    assert adapter_rate(1, total_steps=1) == HIGHEST_RATE
    assert adapter_rate(4096, "dpo", total_steps=25) == adapter_rate(4096, "dpo")


def test_what_is_given_stays(tmp_path: Path) -> None:
    config = with_rate(_config(tmp_path, lr=3e-5, num_warmup_steps=100), fresh_arguments(), 25)

    assert (config.lr, config.num_warmup_steps) == (3e-5, 100)


def test_without_a_rate_it_follows_the_base_and_all_weights_keep_theirs(tmp_path: Path) -> None:
    adapter = with_rate(_config(tmp_path), fresh_arguments(hidden_dim=128), 25)
    whole = with_rate(_config(tmp_path, lora=None), fresh_arguments(hidden_dim=128), 25)

    assert adapter.lr == adapter_rate(128, total_steps=25)
    assert whole.lr == FineTuneConfig.model_fields["lr"].default


@pytest.mark.parametrize(
    ("steps", "share", "warmup"),
    [
        (25, 0.05, 2),
        (1000, 0.05, 50),
        (1, 0.05, 0),
        (25, 1, 24),
        (25, 0, 0),
        (18, 0.05, 0),
        (20, 0.05, 0),
        (21, 0.05, 2),
        (2, 1, 0),
    ],
)
def test_the_warm_up_is_a_share_of_the_steps(tmp_path: Path, steps: int, share: float, warmup: int) -> None:
    config = with_rate(_config(tmp_path, warmup_share=share), fresh_arguments(), steps)

    assert config.num_warmup_steps == warmup
