# SPDX-License-Identifier: Apache-2.0
"""The cluster engine: one run by all the ranks that `torchrun` started.

Rank 0 reports and writes. An error is reported by the rank that meets it first; the others leave with the
same exit code, or are ended by torchrun.
"""

import hashlib
import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from datetime import timedelta

import torch
import torch.distributed as dist

from node0 import console
from node0.console import Torchrun
from node0.errors import ConfigError, RetriableError
from node0.finetune.config import FineTuneConfig
from node0.finetune.training.plan.run_plan import RunPlan
from node0.models.device import pick_device
from node0.pipeline.ranks import GroupOfRanks, Ranks

GROUP_TIMEOUT = timedelta(minutes=10)
"How long a rank waits for the others: longer than any step, validation or save."

STORE_TIMEOUT = timedelta(seconds=10)
"How long an error waits for torchrun's store to say which rank reports it."

MAY_DIFFER = {
    "base_model", "base_revision", "checkpoint_dir", "corpus_path", "dataset", "device", "init_adapter",
    "profile", "report_to", "run_name", "select", "tokenizer", "tracking_project",
}  # fmt: skip
"Settings that may differ between machines, or that the run's fingerprint covers."


@contextmanager
def report_once(job: Torchrun) -> Iterator[None]:
    """Let only rank 0 write to the terminal, and only one rank report an error."""
    try:
        with console.muted() if job.rank else nullcontext():
            yield
    except BaseException as error:
        # As soon as one rank has left, torchrun ends the others; this one still has its word and code.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if not _reports(job, error):
            console.leave(console.exit_code(error))
        raise


def prepare(job: Torchrun, config: FineTuneConfig) -> None:
    """Check that this run can be shared by the ranks of `job`, and take this rank's GPU.

    Raises:
        ConfigError: some rank would have nothing to do, or no device.
    """
    if config.microbatches_per_step < job.world_size:
        raise ConfigError(
            f"{job.world_size} ranks and {config.microbatches_per_step} microbatches a step; start at most "
            f"{config.microbatches_per_step} ranks, or --set microbatches_per_step={job.world_size}"
        )
    device = pick_device(config.device)
    if device == "mps":
        raise ConfigError("device mps cannot be shared by ranks; use --device cpu, or start one process")
    if device == "cuda":
        if job.local_rank >= torch.cuda.device_count():
            raise ConfigError(
                f"{job.local_world_size} ranks on a machine of {torch.cuda.device_count()} GPUs; "
                "start one rank a GPU, or use --device cpu"
            )
        torch.cuda.set_device(job.local_rank)


@contextmanager
def joined(job: Torchrun, device: str) -> Iterator[Ranks]:
    """The group of all ranks, which every rank must enter.

    Raises:
        RetriableError: not all of them came in time.
    """
    backend = "cpu:gloo,cuda:nccl" if device == "cuda" else "gloo"
    try:
        dist.init_process_group(backend, timeout=GROUP_TIMEOUT)
    except RuntimeError as error:
        raise RetriableError(
            f"rank {job.rank} of {job.world_size} does not reach the others; see that every machine reaches "
            "the rendezvous of torchrun, and run it again"
        ) from error
    yield GroupOfRanks(job.rank, job.world_size)
    # Not after an error: the others would take it for a loss before the cause is told.
    dist.destroy_process_group()


def refuse_mismatched_ranks(ranks: Ranks, plan: RunPlan, step: int) -> None:
    """Refuse, on all ranks alike, a rank whose run or state is not that of rank 0.

    Raises:
        ConfigError: it would sum gradients of something else.
    """
    settings = plan.config.model_dump(mode="json", exclude=MAY_DIFFER)
    told = json.dumps([plan.fingerprint, settings, plan.total_steps, step], sort_keys=True)
    # Six bytes are a whole number that a float64 holds.
    digests = ranks.gather(int.from_bytes(hashlib.sha256(told.encode()).digest()[:6]))
    mismatched = [str(rank) for rank, digest in enumerate(digests) if digest != digests[0]]
    if mismatched:
        raise ConfigError(
            f"rank {', '.join(mismatched)} differs from rank 0 in settings, base, corpus or the step that "
            "the run stands at; give all ranks the same files and one run directory that all can read"
        )


def _reports(job: Torchrun, error: BaseException) -> bool:
    """Whether this rank reports `error`: the first one that asks. Of an interruption, rank 0."""
    if isinstance(error, KeyboardInterrupt):
        return job.rank == 0
    try:
        store = dist.TCPStore(job.address, job.port, timeout=STORE_TIMEOUT)  # type: ignore[attr-defined]  # documented
        return bool(store.add(f"node0/told/{job.attempt}", 1) == 1)
    except RuntimeError:
        # Better twice than not at all.
        return True
