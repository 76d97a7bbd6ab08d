# SPDX-License-Identifier: Apache-2.0
"""Estimate the room that a run directory takes on its disk, before anything is written."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError

from node0.errors import DoesNotFit
from node0.files import existing_parent, free_disk

MIB = 1 << 20
STATE_BYTES = 4 + 8 + 4
"Of a trained weight in a checkpoint: itself and AdamW's two moments, and itself in the stage's shard."

EXPORT_BYTES = 4
"Of a trained weight in what is exported: float32."

SMALL_FILES = 32 * MIB
"Tokenizer, metrics, list of entries, picture and card; a vocabulary of 256,000 takes about 20 MiB."

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@dataclass(frozen=True, slots=True)
class DiskEstimate:
    """Bytes at the fullest moment: when a checkpoint has been written and an older one not yet removed."""

    checkpoints: int
    export: int

    @property
    def total(self) -> int:
        """Everything together."""
        return self.checkpoints + self.export + SMALL_FILES


def estimate_disk(trained: int, *, kept: int, steps: int) -> DiskEstimate:
    """What a run directory holds at most.

    Args:
        trained: weights that train.
        kept: checkpoints kept at once.
        steps: of the run; no more checkpoints than these are made.
    """
    return DiskEstimate(
        checkpoints=min(kept + 1, steps) * trained * STATE_BYTES, export=trained * EXPORT_BYTES
    )


def refuse_full_disk(run_dir: Path, need: int, *, held: int = 0) -> None:
    """Check that the disk has room for `need` bytes, of which `held` lie there already.

    Raises:
        DoesNotFit: it has not.
    """
    free = free_disk(run_dir)
    if need - held > free:
        raise _full(run_dir, need - held, free)


def bytes_below(directory: Path) -> int:
    """Bytes of the files in a directory; 0 where there is none."""
    return sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())


@contextmanager
def telling_need(run_dir: Path, need: int) -> Iterator[None]:
    """Say what a full disk is missing, where the block writes into `run_dir`.

    Raises:
        DoesNotFit: the disk took no more.
    """
    try:
        yield
    except (OSError, SafetensorError) as error:
        if not _is_full(error, run_dir):
            raise
        raise _full(run_dir, max(0, need - bytes_below(run_dir)), free_disk(run_dir)) from error


def _is_full(error: OSError | SafetensorError, run_dir: Path) -> bool:
    """Whether the disk of the run took no more; safetensors gives the system's number as text only."""
    if isinstance(error, SafetensorError):
        return any(f"(os error {number})" in str(error) for number in FULL)
    elsewhere = (
        error.filename is not None and run_dir.absolute() not in Path(error.filename).absolute().parents
    )
    return error.errno in FULL and not elsewhere


def _full(run_dir: Path, need: int, free: int) -> DoesNotFit:
    place = existing_parent(run_dir)
    return DoesNotFit(
        f"the disk of {run_dir} is too full: {_size(need)} are needed and {_size(free)} are free in {place}; "
        "make room and run again, lower keep_last, or give another --checkpoint-dir"
    )


def _size(number: int) -> str:
    return f"{number / (1 << 30):.2f} GiB" if number >= 1 << 27 else f"{number / MIB:.1f} MiB"
