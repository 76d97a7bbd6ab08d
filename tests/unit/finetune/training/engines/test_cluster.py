# SPDX-License-Identifier: Apache-2.0
import signal
from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
import torch.distributed as dist
import typer
from tiny_run import configure

from node0 import console
from node0.console import Torchrun
from node0.errors import ConfigError, RetriableError
from node0.finetune.training.engines.cluster import joined, prepare, refuse_mismatched_ranks, report_once
from node0.pipeline.ranks import ALONE


@pytest.fixture
def job() -> Iterator[Torchrun]:
    """Rank 0 of 3, with a store; the processes' way out is undone."""
    before = signal.getsignal(signal.SIGTERM)
    store = dist.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    yield Torchrun(0, 3, 0, 3, attempt=0, address="127.0.0.1", port=store.port)
    signal.signal(signal.SIGTERM, before)


def test_only_rank_0_speaks(job, capsys):
    for rank in range(3):
        with report_once(replace(job, rank=rank)):
            console.write(f"out {rank}\n")
            console.note(f"err {rank}")

    said = capsys.readouterr()
    assert (said.out, said.err) == ("out 0\n", "err 0\n")


def test_of_an_error_the_first_rank_to_meet_it_speaks_and_the_others_leave_with_its_code(job):
    with pytest.raises(RetriableError), report_once(replace(job, rank=2)):
        raise RetriableError("another rank is gone")
    with pytest.raises(typer.Exit) as other, report_once(job):
        raise RetriableError("another rank is gone")

    assert other.value.exit_code == 75


def test_a_job_that_was_started_again_speaks_again(job):
    for attempt in range(2):
        with pytest.raises(ConfigError), report_once(replace(job, attempt=attempt)):
            raise ConfigError("no")


def test_an_interruption_is_told_by_rank_0_whoever_was_first(job):
    with pytest.raises(typer.Exit) as other, report_once(replace(job, rank=1)):
        raise KeyboardInterrupt
    with pytest.raises(KeyboardInterrupt), report_once(job):
        raise KeyboardInterrupt

    assert other.value.exit_code == 130


def test_an_error_is_told_where_the_store_is_gone(job, monkeypatch):
    monkeypatch.setattr(dist, "TCPStore", lambda *_, **__: (_ for _ in ()).throw(RuntimeError("refused")))

    with pytest.raises(ConfigError, match="no"), report_once(replace(job, rank=1)):
        raise ConfigError("no")


def test_fewer_microbatches_than_ranks_are_refused_with_both_numbers(job, tmp_path):
    with pytest.raises(ConfigError, match=r"3 ranks and 2 microbatches a step; start at most 2 ranks, or"):
        prepare(job, configure(tmp_path, microbatches_per_step=2))

    prepare(job, configure(tmp_path, microbatches_per_step=3))


def test_each_rank_takes_the_gpu_of_its_local_rank(job, tmp_path, monkeypatch):
    taken = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", taken.append)
    config = configure(tmp_path, microbatches_per_step=3, device="cuda")

    prepare(replace(job, rank=5, local_rank=1), config)
    with pytest.raises(ConfigError, match="3 ranks on a machine of 2 GPUs"):
        prepare(replace(job, local_rank=2), config)
    assert taken == [1]


def test_a_rendezvous_that_cannot_be_reached_may_be_tried_again(job, monkeypatch):
    monkeypatch.delenv("MASTER_ADDR", raising=False)
    monkeypatch.setattr(
        dist, "init_process_group", lambda *_, **__: (_ for _ in ()).throw(RuntimeError("no"))
    )

    with pytest.raises(RetriableError, match="rank 0 of 3 does not reach the others"), joined(job, "cpu"):
        pass


class TwoRanks:
    """Rank 0, beside a rank that tells what it was given."""

    def __init__(self) -> None:
        self.told: list[float] = []
        self.other = 0.0

    def gather(self, value: float) -> list[float]:
        self.told.append(value)
        return [value, self.other]


@pytest.mark.parametrize(
    "change", [{"lr": 0.5}, {"eval_every_n_steps": 4}, {"max_steps": 7}, {"step": 3}, {"corpus_hash": "d"}]
)
def test_a_rank_of_another_run_is_refused(tmp_path, change):
    def plan(*, corpus_hash="c", step=0, **changes):
        config = configure(tmp_path, **changes)
        fingerprint = {"corpus_hash": corpus_hash}
        return SimpleNamespace(config=config, fingerprint=fingerprint, total_steps=config.max_steps), step

    ranks = TwoRanks()
    with pytest.raises(ConfigError):
        refuse_mismatched_ranks(ranks, *plan(**change))
    ranks.other = ranks.told[0]
    with pytest.raises(ConfigError, match="rank 1 differs from rank 0 in settings, base, corpus or the step"):
        refuse_mismatched_ranks(ranks, *plan())


def test_ranks_may_find_the_same_run_in_other_places(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    ranks = TwoRanks()
    for name in ("a", "b"):
        config = configure(tmp_path / name)
        plan = SimpleNamespace(config=config, fingerprint={}, total_steps=6)
        if name == "a":
            with pytest.raises(ConfigError):
                refuse_mismatched_ranks(ranks, plan, 0)
            ranks.other = ranks.told[0]
        refuse_mismatched_ranks(ranks, plan, 0)
    refuse_mismatched_ranks(ALONE, plan, 0)
