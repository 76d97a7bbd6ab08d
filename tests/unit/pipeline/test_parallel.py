# SPDX-License-Identifier: Apache-2.0
"""Several pipelines in threads that add up their values in turn, beside one that has all microbatches."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from node0.errors import RetriableError
from node0.pipeline.local import LocalPipeline
from node0.pipeline.parallel import DataParallelPipeline
from node0.pipeline.protocol import IGNORE, Microbatch, StepResult, TrainStep
from node0.server.stage.gradient_sums import Share

MakePipeline = Callable[..., LocalPipeline]
MakeMicrobatch = Callable[..., Microbatch]


class Meeting:
    """Where threads lay down their values and take the sums, in the order of their ranks."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.barrier = threading.Barrier(size, timeout=30)
        self.values: dict[int, Tensor] = {}

    def sum(self, rank: int, value: Tensor) -> Tensor:
        self.values[rank] = value
        self.barrier.wait()
        total = sum(self.values[other] for other in range(self.size))
        self.barrier.wait()
        return total


class ThreadRanks:
    """`Ranks` over a meeting."""

    def __init__(self, meeting: Meeting, rank: int) -> None:
        self.meeting, self.rank = meeting, rank

    @property
    def share(self) -> Share:
        return Share(self.rank, self.meeting.size)

    @property
    def leads(self) -> bool:
        return self.rank == 0

    def total(self, values: Sequence[float]) -> list[float]:
        return self.meeting.sum(self.rank, torch.tensor(values, dtype=torch.float64)).tolist()

    def gather(self, value: float) -> list[float]:
        return self.total([value if rank == self.rank else 0.0 for rank in range(self.meeting.size)])

    def add_up(self, tensors: Sequence[Tensor]) -> None:
        for tensor in tensors:
            tensor.copy_(self.meeting.sum(self.rank, tensor.clone()))

    def wait(self) -> None:
        self.meeting.barrier.wait()


def together(pipelines: Sequence[LocalPipeline]) -> list[DataParallelPipeline]:
    meeting = Meeting(len(pipelines))
    return [DataParallelPipeline(local, ThreadRanks(meeting, rank)) for rank, local in enumerate(pipelines)]


def train(
    ranks: Sequence[DataParallelPipeline], batch: Sequence[Microbatch], step: TrainStep
) -> list[StepResult]:
    """The same step on every rank at once."""
    with ThreadPoolExecutor(len(ranks)) as pool:
        return [call.result() for call in [pool.submit(rank.train_step, batch, step) for rank in ranks]]


def weights(pipeline: LocalPipeline) -> dict[str, Tensor]:
    return {
        f"{index}:{name}": weight.detach().clone()
        for index, executor in enumerate(pipeline.executors)
        for name, weight in executor.trained.weights.items()
    }


def assert_close(found: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert torch.linalg.norm(found[name] - value) <= 1e-5 * torch.linalg.norm(value) + 1e-12, name


def uneven(make_microbatch: MakeMicrobatch, number: int, count: int = 5) -> list[Microbatch]:
    """Microbatches of which each has more supervised tokens than the one before."""
    return [make_microbatch(10 * number + index, share=0.1 + 0.2 * index) for index in range(count)]


@pytest.mark.parametrize("size", [2, 3])
@pytest.mark.parametrize(
    ("stages", "options"),
    [
        (1, {"dropout": 0.05}),
        (2, {"dropout": 0.0, "max_grad_norm": 0.5}),
        (3, {"dropout": None, "tied": True}),
    ],
    ids=["adapter with dropout", "two stages", "all weights, tied"],
)
def test_ranks_make_the_steps_of_one_process(make_pipeline, make_microbatch, size, stages, options):
    alone = make_pipeline(stages, **options)
    ranks = together([make_pipeline(stages, **options) for _ in range(size)])

    for number in range(6):
        batch, step = uneven(make_microbatch, number), TrainStep(step=number, lr=1e-3, seed=3)
        expected = alone.train_step(batch, step)
        for result in train(ranks, batch, step):
            assert result.loss_sum == pytest.approx(expected.loss_sum, rel=1e-5)
            assert result.grad_norm == pytest.approx(expected.grad_norm, rel=1e-5)
            assert result.stage_norms == pytest.approx(expected.stage_norms, rel=1e-5)
            assert (result.n_tokens, result.skipped) == (expected.n_tokens, False)
    for rank in ranks:
        assert_close(weights(rank.local), weights(alone))
    first, *others = [weights(rank.local) for rank in ranks]
    assert all(torch.equal(first[name], other[name]) for other in others for name in first)


def test_rows_of_the_reference_are_those_of_the_whole_batch(make_pipeline, make_microbatch):
    alone, ranks = make_pipeline(), together([make_pipeline() for _ in range(2)])
    batch = [make_microbatch(index, rows=2 + 2 * (index % 2)) for index in range(3)]
    rows = sum(len(microbatch.labels) for microbatch in batch)
    step = TrainStep(step=0, lr=1e-3, loss="dpo", reference_logps=-torch.arange(float(rows)))

    expected = alone.train_step(batch, step)
    for result in train(ranks, batch, step):
        assert result.loss_sum == pytest.approx(expected.loss_sum, rel=1e-5)
        assert result.n_tokens == expected.n_tokens == rows // 2
    assert_close(weights(ranks[1].local), weights(alone))


def test_a_gradient_that_is_not_finite_on_one_rank_is_skipped_by_all(make_pipeline, make_microbatch):
    ranks = together([make_pipeline() for _ in range(2)])
    before = [weights(rank.local) for rank in ranks]
    batch = uneven(make_microbatch, 0, count=2)
    planted = next(iter(ranks[1].local.executors[0].trained.weights.values()))
    planted.register_hook(lambda gradient: gradient * torch.nan)
    results = train(ranks, batch, TrainStep(step=0, lr=1e-3))

    assert [result.skipped for result in results] == [True, True]
    assert [rank.local.version for rank in ranks] == [0, 0]
    for rank, old in zip(ranks, before, strict=True):
        assert all(torch.equal(value, old[name]) for name, value in weights(rank.local).items())


def test_a_rank_without_a_microbatch_takes_the_step_of_the_others(make_pipeline, make_microbatch):
    alone, ranks = make_pipeline(), together([make_pipeline() for _ in range(3)])
    batch, step = [make_microbatch(1)], TrainStep(step=0, lr=1e-3)

    alone.train_step(batch, step)
    train(ranks, batch, step)
    assert_close(weights(ranks[2].local), weights(alone))


def test_a_batch_without_a_supervised_token_moves_no_weight(make_pipeline, make_microbatch):
    ranks = together([make_pipeline() for _ in range(2)])
    empty = [
        replace(microbatch, labels=torch.full_like(microbatch.labels, IGNORE))
        for microbatch in uneven(make_microbatch, 0, count=2)
    ]

    assert all(result.skipped for result in train(ranks, empty, TrainStep(step=0, lr=1e-3)))
    assert [rank.local.version for rank in ranks] == [0, 0]


def test_a_step_whose_exchange_fails_leaves_no_gradient_behind(make_pipeline, make_microbatch):
    alone = make_pipeline()
    lonely = DataParallelPipeline(make_pipeline(), LostRanks())
    with suppress(RetriableError):
        lonely.train_step([make_microbatch(1)], TrainStep(step=0, lr=1e-3))

    trained = lonely.local.executors[0].trained
    assert trained.gradients.by_name() == {}
    assert_close(weights(lonely.local), weights(alone))


class LostRanks(ThreadRanks):
    """Ranks of which another one has gone."""

    def __init__(self) -> None:
        super().__init__(Meeting(2), 0)

    def total(self, values: Sequence[float]) -> list[float]:
        raise RetriableError("another rank is gone")
