# SPDX-License-Identifier: Apache-2.0
"""Memory in large pages, for what is read from front to back at each step.

With pages of 4 KiB a processor looks up an address anew each 4 KiB, and its prefetching ends there: weights
come at about half the speed. Linux gives pages of 2 MiB to whoever asks for them (transparent huge pages).
"""

import mmap
from contextlib import suppress

import torch
from torch import Tensor

PAGE = 2 << 20
"Bytes of a large page of x86."

_LINE = 64
"Bytes to which each tensor's place is aligned."


class LargePages:
    """Room for tensors, taken from the system as it is filled, and given back with the last of them."""

    def __init__(self, nbytes: int) -> None:
        """Room for so many bytes; none where they would not fill a page."""
        self._memory = _aligned(nbytes) if nbytes >= PAGE else torch.empty(0, dtype=torch.uint8)
        self._used = 0

    def hold(self, tensor: Tensor) -> Tensor:
        """The tensor's numbers, contiguous, in this room while there is any."""
        begin, end = self._used, self._used + tensor.nbytes
        if end > len(self._memory):
            return tensor.contiguous()
        self._used = room_for(end)
        return self._memory[begin:end].view(tensor.dtype).view(tensor.shape).copy_(tensor)


def room_for(nbytes: int) -> int:
    """Bytes of room that a tensor of so many bytes takes."""
    return nbytes + -nbytes % _LINE


def _aligned(nbytes: int) -> Tensor:
    """uint8 (nbytes,), from the beginning of a large page on."""
    taken = mmap.mmap(-1, nbytes + PAGE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    with suppress(AttributeError, OSError):  # a system or a kernel without them
        taken.madvise(mmap.MADV_HUGEPAGE)
    memory = torch.frombuffer(taken, dtype=torch.uint8)
    first = -memory.data_ptr() % PAGE
    return memory[first : first + nbytes]
