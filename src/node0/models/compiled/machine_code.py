# SPDX-License-Identifier: Apache-2.0
"""Machine code of LLVM's intermediate code, in memory, and the threads that share its work.

Threads are those of the OpenMP runtime that torch itself brings: a second pool would spin against it.
"""

import ctypes
from functools import cache
from typing import Any

import torch
from llvmlite import binding

from node0.models.compiled.processor import Processor


class Function:
    """An entry of a module (see `vector_code.entry`); the code lives as long as this."""

    def __init__(self, engine: Any, name: str) -> None:
        self._engine = engine
        self.address: int = engine.get_function_address(name)
        self._call = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(self.address)

    def __call__(self, *arguments: int) -> None:
        """Run it, without the interpreter's lock; addresses must stay good meanwhile."""
        block = (ctypes.c_int64 * len(arguments))(*arguments)
        self._call(ctypes.addressof(block))


def machine_code(processor: Processor, code: str, *entries: str) -> list[Function]:
    """The entries of a module."""
    engine = _compiled(processor, code)
    return [Function(engine, name) for name in entries]


@cache
def torch_threads() -> int | None:
    """Address of GOMP_parallel in the OpenMP runtime of torch; None where it has another one."""
    try:
        entry = ctypes.CDLL(torch._C.__file__).GOMP_parallel
    except (OSError, AttributeError):
        return None
    return ctypes.cast(entry, ctypes.c_void_p).value


def _compiled(processor: Processor, code: str) -> Any:
    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    machine = binding.Target.from_default_triple().create_target_machine(
        cpu=processor.name, features=processor.features, opt=3
    )
    module = binding.parse_assembly(code)
    module.triple = machine.triple
    module.verify()
    engine = binding.create_mcjit_compiler(module, machine)
    engine.finalize_object()
    return engine
