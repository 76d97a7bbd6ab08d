# SPDX-License-Identifier: Apache-2.0
"""A trainer keeps a bounded number of known reports of each member, and hears only what concerns its work."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import torch

from node0.errors import FrameRefused, NonRetriableError, RetriableError, SwarmTimeout
from node0.pipeline.swarm import reports as module
from node0.pipeline.swarm.host_connection import HostConnection, MemberSpec
from node0.pipeline.swarm.reports import LONGEST_TEXT, Reports, raise_if_over
from node0.pipeline.swarm.roster import Roster
from node0.pipeline.swarm.swarm_settings import SwarmSettings
from node0.server.host.stage_spec import StageTraining
from node0.swarm.transport.frames import Frame

NO_PEER: Any = None
TRAINING = StageTraining(base_digest="0", seed=0, lora=None, optimizer={})
DONE = Frame("done", {"attempt": "a", "mb": 0})
SCORES = Frame("scores", {"request": "r"}, [torch.ones(3)])


class Quiet(HostConnection):
    """Answers whatever it is asked, and reports what a test puts into its mouth."""

    async def request(self, frame: Frame, *, deadline: float) -> Frame:
        return Frame("reply")

    async def send(self, frame: Frame) -> None:
        return None


def _member(peer_id: str, reports: Reports) -> HostConnection:
    return Quiet(NO_PEER, MemberSpec(peer_id, stage=0), deadline=1.0, reports=reports)


def _roster(deadline: float = 0.1) -> Roster:
    async def find() -> list[MemberSpec]:
        return []

    return Roster(NO_PEER, SwarmSettings(1, find, deadline=deadline), TRAINING)


async def _chatter(reports: Reports, member: HostConnection, frame: Frame) -> None:
    while True:
        reports.put(member, frame)
        await asyncio.sleep(0.01)


async def _beside(chatter: Awaitable[None], work: Callable[[], Awaitable[Any]]) -> Any:
    task = asyncio.ensure_future(chatter)
    try:
        return await asyncio.wait_for(work(), 5.0)
    finally:
        task.cancel()


def test_a_member_that_reports_too_much_is_refused_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST", 3)
    reports = Reports()
    loud, calm = _member("loud", reports), _member("calm", reports)
    for _ in range(3):
        reports.put(loud, DONE)

    with pytest.raises(FrameRefused, match="reports more than is heard: 3 frames wait"):
        reports.put(loud, DONE)
    reports.put(calm, DONE)
    asyncio.run(reports.get())
    reports.put(loud, DONE)
    reports.discard()
    for _ in range(3):
        reports.put(loud, DONE)


def test_large_reports_are_bounded_by_their_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_BYTES", 30)
    reports = Reports()
    member = _member("x", reports)
    reports.put(member, SCORES)
    reports.put(member, SCORES)

    with pytest.raises(FrameRefused, match="more than is heard"):
        reports.put(member, SCORES)
    asyncio.run(reports.get())
    reports.put(member, SCORES)


@pytest.mark.parametrize(
    "frame",
    [
        Frame("gone", {"why": "it says so"}),
        Frame("reset"),
        Frame("done", {"attempt": "a"}),
        Frame("done", {"attempt": "a", "mb": "0"}),
        Frame("done", {"attempt": "a", "mb": True}),
        Frame("done", {"attempt": "a", "mb": 0}, [torch.ones(1)]),
        Frame("done", {"attempt": "a", "mb": 0}, (), b"x"),
        Frame("loss", {"attempt": "a", "mb": 0, "loss_sum": [1], "n_tokens": 1}),
        Frame("logps", {"attempt": "a", "mb": 0}),
        Frame("failed", {"text": "x", "retriable": "yes"}),
        Frame("failed", {"text": "x", "retriable": True, "session": ["x"]}),
    ],
)
def test_what_is_no_report_is_refused(frame: Frame) -> None:
    reports = Reports()

    with pytest.raises(FrameRefused):
        reports.put(_member("x", reports), frame)


def test_a_report_keeps_its_known_fields_and_no_long_text() -> None:
    reports = Reports()
    member = _member("x", reports)
    fields = {"text": "x" * 5000, "retriable": True, "attempt": "a"}
    reports.put(member, Frame("failed", {**fields, "ballast": list(range(1000))}))

    heard = asyncio.run(reports.get())

    assert heard == (member, Frame("failed", {**fields, "text": "x" * LONGEST_TEXT}))


LOST = {"peer": "far", "why": "it closed the stream"}
BROKEN = {"text": "no room\nTraining loss: 1.0", "retriable": False}


@pytest.mark.parametrize(
    ("frame", "error"),
    [
        (Frame("gone", {"why": "it closed the stream"}), SwarmTimeout),
        (Frame("lost", {**LOST, "peer": "near"}), SwarmTimeout),
        (Frame("lost", LOST), None),
        (Frame("failed", BROKEN), SwarmTimeout),
        (Frame("failed", {**BROKEN, "attempt": "a"}), NonRetriableError),
        (Frame("failed", {**BROKEN, "attempt": "a", "retriable": True}), RetriableError),
        (Frame("failed", {**BROKEN, "attempt": "b"}), None),
        (Frame("failed", {**BROKEN, "session": "a"}), None),
        (DONE, None),
    ],
)
def test_only_news_of_who_takes_part_ends_an_attempt(frame: Frame, error: type[Exception] | None) -> None:
    reports = Reports()
    here, near = _member("here", reports), _member("near", reports)

    raise_if_over(_member("far", reports), frame, part=[here, near], about=("attempt", "a"))
    if error is None:
        raise_if_over(here, frame, part=[here, near], about=("attempt", "a"))
        return
    with pytest.raises(error, match="stage 0 at peer here: ") as caught:
        raise_if_over(here, frame, part=[here, near], about=("attempt", "a"))
    assert type(caught.value) is error
    assert "\n" not in str(caught.value)
