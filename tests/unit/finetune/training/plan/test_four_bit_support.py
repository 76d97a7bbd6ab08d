# SPDX-License-Identifier: Apache-2.0
import importlib.util
import sys
from typing import Any

import pytest

from node0.errors import ConfigError
from node0.finetune.config import FineTuneConfig
from node0.finetune.training.plan.four_bit_support import PACKAGES, require_four_bit

with_library = pytest.mark.skipif(
    not all(importlib.util.find_spec(package) for package in PACKAGES), reason="needs the extra `nf4`"
)


def config(**changes: Any) -> FineTuneConfig:
    given = {"base_model": "base", "lora": {}, "quantize": "nf4", **changes}
    return FineTuneConfig(role="deacon", corpus_path="corpus", checkpoint_dir="run", **given)


@pytest.mark.parametrize("package", PACKAGES)
def test_an_absent_package_is_one_line_that_says_what_to_install(
    package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "node0.finetune.training.plan.four_bit_support.find_spec", lambda name: name != package or None
    )

    with pytest.raises(
        ConfigError, match=rf"needs the {package} package; pip install 'gastown-finetune\[nf4\]'"
    ):
        require_four_bit(config(), "cpu")


@pytest.mark.parametrize("changes", [{"lora": None}, {"base_model": None}])
def test_weights_that_train_are_not_packed(changes: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="give --base-model and lora"):
        require_four_bit(config(**changes), "cpu")


def test_nothing_is_needed_where_nobody_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)

    require_four_bit(config(quantize=None), "cpu")


@with_library
def test_a_device_without_a_kernel_is_named_in_one_line() -> None:
    require_four_bit(config(), "cpu")

    with pytest.raises(ConfigError, match=r"no kernel for vulkan .* use --device cpu or cuda") as told:
        require_four_bit(config(), "vulkan")
    assert "\n" not in str(told.value)
