# SPDX-License-Identifier: Apache-2.0
"""A reply that no stage gives is refused, and its member left, before anything is made of it."""

import asyncio
import logging
from typing import Any

import pytest
import torch

from node0.errors import FrameRefused, RetriableError, SwarmTimeout
from node0.pipeline.protocol import Microbatch, TrainStep
from node0.pipeline.swarm.host_connection import HostConnection, MemberSpec
from node0.pipeline.swarm.replies import check_reply, odd_one
from node0.pipeline.swarm.reports import Reports
from node0.pipeline.swarm.swarm_step import StepAttempt, Work
from node0.swarm.transport.frames import PROTOCOL, Frame

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


@pytest.mark.parametrize(
    ("kind", "reply"),
    [
        ("hello", Frame("reply", {"protocol": PROTOCOL, "more": [1]})),
        ("reset", Frame("reply", {"names": [], "version": 0})),
        ("prepare", Frame("reply", {"squared_norm": 0, "finite": True})),
        ("prepare", Frame("reply", {"squared_norm": float("nan"), "finite": False})),
        ("sums", Frame("reply", {}, [ONE, ONE])),
        ("tied", Frame("reply", {}, [ONE])),
        ("abort", Frame("reply", {"version": None})),
        ("state", Frame("reply", {"version": 1, "sha256": "0"}, (), b"state")),
        ("begin", Frame("reply")),
        ("prepare", Frame("error", {"text": "no", "retriable": True})),
    ],
)
def test_what_stages_reply_is_taken(kind: str, reply: Frame) -> None:
    check_reply(kind, reply)


@pytest.mark.parametrize(
    ("kind", "reply"),
    [
        ("hello", Frame("reply", {"protocol": "1"})),
        ("reset", Frame("reply", {"version": 0})),
        ("reset", Frame("reply", {"names": "abc", "version": 0})),
        ("reset", Frame("reply", {"names": ["a", ["b"]], "version": 0})),
        ("reset", Frame("reply", {"names": [], "version": True})),
        ("prepare", Frame("reply", {"squared_norm": "1\nTraining loss: 1.0", "finite": True})),
        ("prepare", Frame("reply", {"squared_norm": -1.0, "finite": True})),
        ("prepare", Frame("reply", {"squared_norm": float("nan"), "finite": True})),
        ("prepare", Frame("reply", {"squared_norm": 1.0, "finite": 1})),
        ("prepare", Frame("reply", {"squared_norm": 1.0})),
        ("sums", Frame("reply", {}, [ONE.long()])),
        ("tied", Frame("reply", {}, [ONE, ONE])),
        ("apply", Frame("reply", {"version": "1"})),
        ("abort", Frame("reply", {"version": 1.0})),
        ("state", Frame("reply", {"version": 1, "sha256": 5}, (), b"state")),
        ("shard", Frame("reply", {"stage": "x", "sha256": "0", "bytes": None})),
        ("begin", Frame("reply", {}, [ONE])),
        ("begin", Frame("reply", {}, (), b"x")),
        ("begin", Frame("error", {"text": "no"})),
        ("begin", Frame("error", {"text": ["no"], "retriable": False})),
        ("sums", Frame("error", {"text": "no", "retriable": False}, [ONE])),
    ],
)
def test_what_no_stage_replies_is_refused_in_one_line(kind: str, reply: Frame) -> None:
    with pytest.raises(FrameRefused) as caught:
        check_reply(kind, reply)

    assert "\n" not in str(caught.value)


def test_who_replies_nonsense_is_left_and_not_dialled_again(caplog: pytest.LogCaptureFixture) -> None:
    class Line:
        """A stream on which one reply comes."""

        def __init__(self) -> None:
            self.asked, self.is_closed = asyncio.Event(), False

        async def send(self, frame: Frame) -> None:
            self.asked.set()

        async def receive(self, *, max_payload: int) -> Frame:
            await self.asked.wait()
            return Frame("reply", {"id": 0, "protocol": ["\n"]})

        def close(self) -> None:
            self.is_closed = True

    line = Line()

    class Dialled:
        count = 0

        async def open(self, remote: str, name: str, addresses: object) -> Line:
            self.count += 1
            return line

    async def connect() -> Dialled:
        dialled: Any = Dialled()
        liar = HostConnection(dialled, MemberSpec("liar", stage=0), deadline=1.0, reports=Reports())
        with pytest.raises(SwarmTimeout, match="peer liar is lost: the protocol of a reply to hello"):
            await liar.connect("me", deadline=5.0)
        with pytest.raises(SwarmTimeout, match="peer liar made no sense before"):
            await liar.connect("me", deadline=5.0)
        return dialled  # type: ignore[no-any-return]  # hivemind has no types

    caplog.set_level(logging.WARNING)
    dialled = asyncio.run(connect())

    assert (dialled.count, line.is_closed) == (1, True)
    assert len(caplog.messages) == 1
    assert "not listened to any more" in caplog.messages[0] and "\n" not in caplog.messages[0]


def test_the_odd_one_is_not_of_most_and_not_the_first() -> None:
    replies = [Frame("reply", {}, tensors) for tensors in ([ONE], [ONE], [TWO], [ONE, ONE])]

    assert odd_one(replies[:2]) is None
    assert odd_one(replies[1:3]) == 1
    assert odd_one([replies[2], *replies[:2]]) == 0
    assert odd_one([replies[0], replies[3]]) == 1


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
