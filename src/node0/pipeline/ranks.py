# SPDX-License-Identifier: Apache-2.0
"""The ranks that share one run: this process alone, or a group of `torch.distributed`.

Every process of a group calls the same methods in the same order; a call returns when all have made it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
import torch.distributed as dist
from torch import Tensor

from node0.errors import RetriableError
from node0.server.stage.gradient_sums import Share

BUCKET_BYTES = 32 << 20
"What is sent at once, unless one tensor alone is larger."


class Ranks(Protocol):
    """A process among the processes of a run."""

    @property
    def share(self) -> Share:
        """The items of any list that this process works on."""
        ...

    @property
    def leads(self) -> bool:
        """Whether this is the one process that writes."""
        ...

    def total(self, values: Sequence[float]) -> list[float]:
        """The float64 sum of each value over all processes; the same bits on all of them."""
        ...

    def gather(self, value: float) -> list[float]:
        """The value of each process, by rank."""
        ...

    def add_up(self, tensors: Sequence[Tensor]) -> None:
        """Replace each tensor by its sum over all processes; the same bits on all of them."""
        ...

    def wait(self) -> None:
        """Return when every process is here."""
        ...


class Alone:
    """One process: its values are the sums."""

    share = Share()
    leads = True

    def total(self, values: Sequence[float]) -> list[float]:
        """The values."""
        return list(values)

    def gather(self, value: float) -> list[float]:
        """The value."""
        return [value]

    def add_up(self, tensors: Sequence[Tensor]) -> None:
        """Leave the tensors as they are."""

    def wait(self) -> None:
        """Return at once."""


ALONE = Alone()


@dataclass(frozen=True, slots=True)
class GroupOfRanks:
    """The default group of `torch.distributed`, which whoever makes this has joined.

    Every method raises `RetriableError` when another process is gone or does not answer in time.
    """

    rank: int
    size: int

    @property
    def share(self) -> Share:
        """Every `size`-th item, from number `rank` on."""
        return Share(self.rank, self.size)

    @property
    def leads(self) -> bool:
        """Rank 0 does."""
        return self.rank == 0

    def total(self, values: Sequence[float]) -> list[float]:
        """The float64 sum of each value over all ranks."""
        sums = torch.tensor(values, dtype=torch.float64)
        self._reduce(sums)
        return list(map(float, sums))

    def gather(self, value: float) -> list[float]:
        """The value of each rank."""
        return self.total([value if rank == self.rank else 0.0 for rank in range(self.size)])

    def add_up(self, tensors: Sequence[Tensor]) -> None:
        """Sum tensors of one type and device in place. Their shapes must be the same on all ranks."""
        for bucket in _buckets(tensors):
            flat = torch.cat([tensor.flatten() for tensor in bucket])
            self._reduce(flat)
            parts = torch.split_with_sizes(flat, [tensor.numel() for tensor in bucket])
            for tensor, part in zip(bucket, parts, strict=True):
                tensor.copy_(part.view_as(tensor))

    def wait(self) -> None:
        """Return when every rank is here."""
        self.total([0.0])

    def _reduce(self, tensor: Tensor) -> None:
        try:
            dist.all_reduce(tensor)
        except RuntimeError as error:
            what = "does not answer" if "timed out" in str(error).lower() else "is gone"
            raise RetriableError(
                f"rank {self.rank} of {self.size}: another rank {what}, so the job ends here; "
                "run it again to go on from its last checkpoint, with any number of ranks"
            ) from error


def _buckets(tensors: Sequence[Tensor]) -> Iterator[list[Tensor]]:
    """The tensors in order, in runs of at most `BUCKET_BYTES`."""
    bucket: list[Tensor] = []
    for tensor in tensors:
        if bucket and sum(member.nbytes for member in (*bucket, tensor)) > BUCKET_BYTES:
            yield bucket
            bucket = []
        bucket.append(tensor)
    if bucket:
        yield bucket
