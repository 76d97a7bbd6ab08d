# SPDX-License-Identifier: Apache-2.0
import ctypes

import pytest
import torch
from llvmlite import binding

from node0.models.compiled import machine_code
from node0.models.compiled.machine_code import machine_code as compiled
from node0.models.compiled.machine_code import torch_threads
from node0.models.compiled.processor import Processor

HERE = Processor(binding.get_host_cpu_name(), "", 8, (1,), pairs_bfloat16=False)
TWICE = """
define void @twice(ptr %arguments) {
  %at = load ptr, ptr %arguments
  %one = load i64, ptr %at
  %two = add i64 %one, %one
  store i64 %two, ptr %at
  ret void
}
"""


def test_code_is_called_as_long_as_it_is_held() -> None:
    (code,), number = compiled(HERE, TWICE, "twice"), ctypes.c_int64(21)

    code(ctypes.addressof(number))

    assert number.value == 42


def test_code_that_is_none_is_refused_before_it_runs() -> None:
    with pytest.raises(RuntimeError, match="expected"):
        compiled(HERE, "define nonsense", "f")


@pytest.mark.skipif(torch_threads() is None, reason="torch has no GNU OpenMP here")
def test_threads_are_torchs() -> None:
    assert torch.backends.openmp.is_available()


def test_without_the_runtime_there_are_no_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(_: str) -> object:
        raise OSError

    monkeypatch.setattr(machine_code.ctypes, "CDLL", missing)

    assert torch_threads.__wrapped__() is None
