# SPDX-License-Identifier: Apache-2.0
"""A reply that no stage gives is refused, and its member left, before anything is made of it."""

from typing import Any

import pytest
import torch

from node0.errors import FrameRefused
from node0.pipeline.swarm.replies import check_reply, odd_one
from node0.swarm.transport.frames import PROTOCOL, Frame

NO_PEER: Any = None
ONE, TWO = torch.ones(1), torch.ones(2)


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


def test_the_odd_one_is_not_of_most_and_not_the_first() -> None:
    replies = [Frame("reply", {}, tensors) for tensors in ([ONE], [ONE], [TWO], [ONE, ONE])]

    assert odd_one(replies[:2]) is None
    assert odd_one(replies[1:3]) == 1
    assert odd_one([replies[2], *replies[:2]]) == 0
    assert odd_one([replies[0], replies[3]]) == 1
