# SPDX-License-Identifier: Apache-2.0
import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import torch

from node0.errors import RetriableError, SwarmTimeout
from node0.pipeline.protocol import Microbatch, TrainStep
from node0.pipeline.swarm.host_connection import HostConnection, MemberSpec
from node0.pipeline.swarm.reports import Reports
from node0.pipeline.swarm.swarm_step import StepAttempt, Work
from node0.swarm.transport.frames import Frame

NO_PEER: Any = None
ONE, TWO = torch.ones(1), torch.ones(2)
IDS = torch.zeros(2, 4, dtype=torch.int64)


class Scripted(HostConnection):
    """Gives one reply to every request."""

    reply = Frame("reply")
    is_refused = False

    async def request(self, frame: Frame, *, deadline: float) -> Frame:
        return self.reply

    def refuse(self, why: str) -> None:
        self.is_refused = True


def member(peer_id: str, *tensors: torch.Tensor) -> Scripted:
    made = Scripted(NO_PEER, MemberSpec(peer_id, stage=0), deadline=1.0, reports=Reports())
    made.reply, made.names = Frame("reply", {}, tensors), ["table"]
    return made


def attempt(*route: list[Scripted]) -> StepAttempt:
    work = Work([Microbatch(IDS, IDS, IDS)], TrainStep(0, 1e-3))
    return StepAttempt(route, work, version=0, reports=Reports(), in_flight=1, deadline=1.0, transfer=1.0)


class Stage(HostConnection):
    """The only stage of a model: it reports a loss and the end of each microbatch that it gets."""

    def __init__(
        self, reports: Reports[HostConnection], *, squared_norm: float = 4.0, finite: bool = True
    ) -> None:
        super().__init__(NO_PEER, MemberSpec("solo", stage=0), deadline=1.0, reports=reports)
        self._squared_norm, self._finite = squared_norm, finite
        self.asked: list[Frame] = []
        self._hears = reports

    async def request(self, frame: Frame, *, deadline: float) -> Frame:
        self.asked.append(frame)
        return Frame("reply", {"squared_norm": self._squared_norm, "finite": self._finite})

    async def send(self, frame: Frame) -> None:
        if frame.kind == "input":
            address = {"attempt": frame["attempt"], "mb": frame["mb"]}
            self._hears.put(self, Frame("loss", {**address, "loss_sum": 3.0, "n_tokens": 2}))
            self._hears.put(self, Frame("done", address))


def _made(stage: Stage, reports: Reports[HostConnection], *, max_grad_norm: float | None) -> Any:
    work = Work([Microbatch(IDS, IDS, IDS)] * 2, TrainStep(0, 0.5))
    made = StepAttempt([[stage]], work, version=6, reports=reports, in_flight=1, deadline=1.0, transfer=1.0)
    return asyncio.run(made.run(max_grad_norm=max_grad_norm))


def test_a_step_is_clipped_and_applied_at_the_next_version() -> None:
    reports: Reports[HostConnection] = Reports()
    stage = Stage(reports)

    result = _made(stage, reports, max_grad_norm=0.25)

    assert (result.loss_sum, result.n_tokens, result.grad_norm, result.skipped) == (6.0, 4, 0.5, False)
    begin, prepare, apply = stage.asked
    assert (begin.kind, begin["version"], prepare.kind, prepare["expected"]) == ("begin", 6, "prepare", 2)
    assert (apply.kind, apply["version"], apply["lr"]) == ("apply", 7, 0.5)
    assert apply["scale"] == pytest.approx(0.5 / 4, rel=1e-4)


def test_a_step_whose_gradients_are_not_finite_is_skipped_everywhere() -> None:
    reports: Reports[HostConnection] = Reports()
    stage = Stage(reports, finite=False)

    result = _made(stage, reports, max_grad_norm=None)

    assert result.skipped
    assert [frame.kind for frame in stage.asked] == ["begin", "prepare", "abort"]


async def _chatter(reports: Reports[HostConnection], member: HostConnection, frame: Frame) -> None:
    while True:
        reports.put(member, frame)
        await asyncio.sleep(0.01)


async def _beside(chatter: Awaitable[None], work: Callable[[], Awaitable[Any]]) -> Any:
    task = asyncio.ensure_future(chatter)
    try:
        return await asyncio.wait_for(work(), 5.0)
    finally:
        task.cancel()


@pytest.mark.parametrize("mb", [0, -1, 10**9])
def test_a_step_does_not_wait_for_who_repeats_itself(mb: int) -> None:
    reports: Reports[HostConnection] = Reports()
    repeating = Scripted(NO_PEER, MemberSpec("x", stage=0), deadline=1.0, reports=reports)
    repeating.send = _ignore  # type: ignore[method-assign]  # it takes whatever it is sent
    ids = torch.zeros(1, 4, dtype=torch.int64)
    work = Work([Microbatch(ids, ids, ids)] * 2, TrainStep(0, 1e-3))
    trying = StepAttempt(
        [[repeating]], work, version=0, reports=reports, in_flight=2, deadline=0.1, transfer=0.1
    )
    said = Frame("done", {"attempt": trying._token, "mb": mb})

    with pytest.raises(SwarmTimeout, match=r"microbatches did not come back within 0.1 s"):
        asyncio.run(_beside(_chatter(reports, repeating, said), lambda: trying.run(max_grad_norm=None)))
    assert trying._progress.done <= {0, 1}


async def _ignore(frame: Frame) -> None:
    return None


def test_a_replica_whose_gradients_do_not_fit_is_left() -> None:
    members = [member("a", ONE), member("b", TWO)]

    with pytest.raises(SwarmTimeout, match="peer b is lost: its gradients have other shapes"):
        asyncio.run(attempt(members)._join_replicas())
    assert [each.is_refused for each in members] == [False, True]


def test_tied_tables_of_unequal_shapes_end_the_attempt() -> None:
    ends = [member("a", ONE)], [member("b", TWO)]

    with pytest.raises(RetriableError, match="peers a and b hold tied tables of unequal shapes"):
        asyncio.run(attempt(*ends)._join_tied())


@pytest.mark.parametrize("logps", [torch.tensor(1.0), torch.ones(3), torch.ones(2, 1), torch.ones(2).long()])
def test_log_probabilities_of_other_rows_are_refused(logps: torch.Tensor) -> None:
    tail = member("a")
    trying = attempt([tail])
    said = Frame("logps", {"attempt": trying._token, "mb": 0}, [logps])

    with pytest.raises(SwarmTimeout, match="peer a is lost: log probabilities of 2 rows"):
        asyncio.run(trying._advance(tail, said))
    assert tail.is_refused
