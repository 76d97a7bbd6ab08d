# SPDX-License-Identifier: Apache-2.0
import os

import pytest
import torch

from node0.doctor.device_checks import GIB, device, memory


def test_a_machine_without_a_gpu_is_told_so_and_nothing_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    monkeypatch.setattr(torch.version, "cuda", "13.0")

    finding = device()

    assert finding.state == "note"
    assert f"{os.cpu_count()} cores: no GPU is seen" in finding.found
    assert finding.found.endswith("for CUDA 13.0") and "nvidia-smi" in finding.do


def test_a_gpu_is_named_with_its_memory_and_the_build(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (3 * GIB, 8 * GIB))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "Tiny 9")
    monkeypatch.setattr(torch.version, "cuda", "12.8")

    finding = device()

    assert finding.state == "ok"
    assert finding.found == f"Tiny 9, 3.0 of 8.0 GiB free; torch {torch.__version__} for CUDA 12.8"


def test_memory_is_that_of_the_machine() -> None:
    told = float(memory().found.partition(" GiB")[0])

    assert told * GIB == pytest.approx(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"), rel=0.1)
