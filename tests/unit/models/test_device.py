# SPDX-License-Identifier: Apache-2.0
import pytest
import torch

from node0.errors import ConfigError
from node0.models.device import moved, multiplies_bfloat16, one_order, packs_matrices, pick_device


def _with(monkeypatch: pytest.MonkeyPatch, *, cuda: bool, mps: bool) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)


@pytest.mark.parametrize(
    ("cuda", "mps", "device"), [(True, True, "cuda"), (False, True, "mps"), (False, False, "cpu")]
)
def test_auto_takes_the_fastest_that_is_there(
    cuda: bool, mps: bool, device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _with(monkeypatch, cuda=cuda, mps=mps)

    assert pick_device("auto") == device
    assert pick_device("cpu") == "cpu"


@pytest.mark.parametrize("device", ["cuda", "mps", "tpu"])
def test_a_device_that_is_not_there_is_refused(device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    _with(monkeypatch, cuda=False, mps=False)

    with pytest.raises(ConfigError, match=f"device '{device}' is not available here"):
        pick_device(device)


@pytest.mark.parametrize("unit", ["avx512_bf16", "amx_tile"])
def test_one_unit_of_a_processor_is_enough_for_bfloat16(unit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for each in ("avx512_bf16", "amx_tile"):
        monkeypatch.setattr(torch.cpu, f"_is_{each}_supported", lambda: False, raising=False)
    assert not multiplies_bfloat16("cpu")

    monkeypatch.setattr(torch.cpu, f"_is_{unit}_supported", lambda: True)

    assert multiplies_bfloat16("cpu")
    assert not multiplies_bfloat16("mps")


def test_only_a_processor_with_vector_units_of_x86_packs_matrices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: True)
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX2")

    assert packs_matrices("cpu", torch.float32)
    assert not packs_matrices("cuda", torch.float32)
    assert not packs_matrices("cpu", torch.float16)

    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "DEFAULT")
    assert not packs_matrices("cpu", torch.float32)


def test_sums_are_in_one_order_inside_and_as_before_outside() -> None:
    before = torch.are_deterministic_algorithms_enabled()

    with one_order():
        assert torch.are_deterministic_algorithms_enabled()

    assert torch.are_deterministic_algorithms_enabled() == before


def test_a_tensor_that_is_there_is_not_copied() -> None:
    tensor = torch.ones(2)

    assert moved(tensor, torch.device("cpu")) is tensor
