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


def test_a_short_run_has_half_as_much_again_and_a_long_one_the_rate_of_its_width() -> None:
    by_steps = [adapter_rate(4096, total_steps=steps) for steps in (1, 25, 100, 200, 1000, 100_000)]

    assert by_steps[:3] == [pytest.approx(1.5 * adapter_rate(4096), rel=0.05)] * 3
    assert by_steps == sorted(by_steps, reverse=True)
    assert by_steps[-1] == adapter_rate(4096)
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
