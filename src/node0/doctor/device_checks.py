# SPDX-License-Identifier: Apache-2.0
"""Check what this machine computes with: the accelerator, what torch was built for, memory."""

import os

import torch

from node0.check_result import CheckResult, note, ok

GIB = 1 << 30


def device() -> CheckResult:
    """Which accelerator torch uses, with its memory; that there is none is nothing wrong."""
    built = f"torch {torch.__version__} for {_built_for()}"
    if torch.cuda.is_available():
        free, whole = torch.cuda.mem_get_info()
        name = torch.cuda.get_device_name()
        return ok("device", f"{name}, {free / GIB:.1f} of {whole / GIB:.1f} GiB free; {built}")
    if torch.backends.mps.is_available():
        return ok("device", f"Apple's GPU; {built}")
    advice = "where there is a GPU, see whether nvidia-smi finds it" if torch.version.cuda else ""
    return note("device", f"the processor, {os.cpu_count()} cores: no GPU is seen; {built}", advice)


def memory() -> CheckResult:
    """How much memory the machine has; what a run takes of it, its plan says."""
    whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return ok("memory", f"{whole / GIB:.1f} GiB; node0 finetune --dry-run says what a run takes")


def _built_for() -> str:
    if torch.version.cuda is not None:
        return f"CUDA {torch.version.cuda}"
    return f"ROCm {torch.version.hip}" if torch.version.hip is not None else "processors"
