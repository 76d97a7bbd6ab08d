# SPDX-License-Identifier: Apache-2.0
import pytest
import torch
from tiny_run import configure

from node0.errors import ConfigError
from node0.finetune.training.plan.precision import pick_device, pick_dtype


def test_auto_takes_an_accelerator_where_there_is_one(monkeypatch):
    for cuda, mps, expected in ((True, True, "cuda"), (False, True, "mps"), (False, False, "cpu")):
        monkeypatch.setattr(torch.cuda, "is_available", lambda found=cuda: found)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda found=mps: found)

        assert pick_device("auto") == expected


def test_an_absent_device_is_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)

    with pytest.raises(ConfigError, match="--device auto"):
        pick_device("cuda")


def test_auto_precision_asks_the_hardware_for_a_frozen_base(tmp_path, monkeypatch):
    config = configure(tmp_path, precision="auto")
    for unit in ("avx512_bf16", "amx_tile"):
        monkeypatch.setattr(torch.cpu, f"_is_{unit}_supported", lambda: False, raising=False)
    without = pick_dtype(config, "cpu")
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True, raising=False)

    assert without is torch.float32
    assert pick_dtype(config, "cpu") is torch.bfloat16
    assert pick_dtype(config, "mps") is torch.float32


def test_weights_that_train_are_float32(tmp_path):
    assert pick_dtype(configure(tmp_path, lora=None, precision="auto"), "cpu") is torch.float32
    with pytest.raises(ConfigError, match="trains an adapter only"):
        pick_dtype(configure(tmp_path, lora=None, precision="bfloat16"), "cpu")


def test_a_named_precision_is_taken(tmp_path):
    assert pick_dtype(configure(tmp_path, precision="bfloat16"), "cpu") is torch.bfloat16
    assert pick_dtype(configure(tmp_path, precision="float32"), "cuda") is torch.float32
