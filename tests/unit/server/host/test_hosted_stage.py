# SPDX-License-Identifier: Apache-2.0
"""Who leads a stage, who hears of a frame, and what a stage does with it."""

from typing import Any

import pytest
import torch
from hosted import ARGS, TRAINING, FakeClient, hosted

from node0.errors import ConfigError, RetriableError
from node0.models.factory import build_stages
from node0.server.host.hosted_stage import FIRST_PAYLOAD
from node0.server.host.stage_spec import StagePlace
from node0.server.host.worker import Attempt, Neighbours
from node0.server.stage.gradient_sums import Share
from node0.swarm.transport.frames import Frame

IDS, POSITIONS = torch.tensor([[1, 2, 3, 4]]), torch.arange(4)[None]


def _built(index: int = 0, num_stages: int = 1) -> Any:
    stage = hosted()
    stage.build(StagePlace(index, num_stages), TRAINING)
    return stage


def test_a_stage_without_a_model_takes_small_requests_only() -> None:
    stage = hosted()

    assert stage.max_payload == FIRST_PAYLOAD
    for ask in (stage.working, lambda: stage.handle(Frame("input", {"mb": 0}), None)):
        with pytest.raises(RetriableError, match="has no model yet"):
            ask()
    stage.build(StagePlace(0, 1), TRAINING)
    assert stage.max_payload > FIRST_PAYLOAD
    assert stage.working() == (stage.executor, stage.worker)


def test_the_last_of_two_trainers_leads_and_the_first_is_told() -> None:
    stage, first, second = _built(), FakeClient(), FakeClient()
    stage.join(first, "one", leads=True)
    stage.worker.begin(Attempt("a", 0, 0, "sft", Neighbours()), Share())

    stage.join(second, "two", leads=True)

    assert stage.worker.attempt is None
    assert [(frame.kind, frame["retriable"]) for frame in first.reports] == [("failed", False)]
    stage.require_leader(second)
    with pytest.raises(ConfigError, match="another trainer leads"):
        stage.require_leader(first)


def test_only_a_peer_of_the_leaders_may_train() -> None:
    stage = hosted(leaders=frozenset({"trainer"}))

    with pytest.raises(ConfigError, match="peer stranger may not train here"):
        stage.join(FakeClient("stranger"), "s", leads=True)
    assert stage.clients == {} and stage.leader is None
    stage.join(FakeClient("stranger"), "s", leads=False)
    stage.join(FakeClient("trainer"), "t", leads=True)
    assert set(stage.clients) == {"s", "t"}


def test_a_client_has_the_name_that_it_gave_last() -> None:
    stage, client = hosted(), FakeClient()

    for name in ("one", "two"):
        stage.join(client, name, leads=False)

    assert stage.clients == {"two": client}


def test_a_leader_that_is_gone_leaves_no_attempt() -> None:
    stage, leader, other = _built(), FakeClient(), FakeClient()
    stage.join(leader, "one", leads=True)
    stage.join(other, "two", leads=False)
    stage.worker.begin(Attempt("a", 0, 0, "sft", Neighbours()), Share())

    stage.leave(other)
    assert stage.worker.attempt == "a"
    stage.leave(leader)

    assert (stage.leader, stage.clients, stage.worker.attempt) == (None, {}, None)


def test_work_of_a_client_that_does_not_lead_is_dropped() -> None:
    stage, leader, other = _built(0, 2), FakeClient(), FakeClient()
    stage.join(leader, "one", leads=True)
    stage.worker.begin(Attempt("a", 0, 0, "sft", Neighbours(above=("next",))), Share())
    frame = Frame("input", {"attempt": "a", "mb": 0}, [IDS, POSITIONS])

    stage.handle(frame, other)
    assert stage.links.pushed == []
    stage.handle(frame, leader)

    ((remote, pushed),) = stage.links.pushed
    assert (remote, pushed.kind) == ("next", "activation")


def test_a_score_goes_along_its_route_and_to_its_client() -> None:
    head, tail, client = _built(0, 2), _built(1, 2), FakeClient()
    tail.join(client, "me", leads=False)
    labels = torch.tensor([[2, 3, 4, -100]])
    fields = {"adapter": True, "route": ["tail"], "client": "me", "request": "r"}

    head.handle(Frame("score", fields, [IDS, POSITIONS, labels]), client)
    ((remote, frame),) = head.links.pushed
    tail.handle(frame, None)

    (report,) = client.reports
    whole = build_stages(ARGS, 1, seed=1)[0]
    wanted = whole.label_logps(whole.forward_hidden(IDS, POSITIONS), labels)
    assert (remote, frame["route"], report.kind, report["request"]) == ("tail", [], "scores", "r")
    torch.testing.assert_close(report.tensors[0], wanted.detach(), atol=1e-5, rtol=1e-5)


def test_a_failure_is_heard_by_whoever_waits_for_it() -> None:
    stage, leader, scorer = _built(), FakeClient(), FakeClient()
    stage.join(leader, "one", leads=True)
    stage.join(scorer, "two", leads=False)
    stage.worker.begin(Attempt("a", 0, 0, "sft", Neighbours()), Share())

    assert stage.listener(Frame("score", {"client": "two"}), None) == scorer.report
    assert stage.listener(Frame("gradient", {"attempt": "a"}), None) == leader.report
    assert stage.listener(Frame("gradient", {"attempt": "old"}), None) is None
    assert stage.listener(Frame("input", {"attempt": "old"}), scorer) == scorer.report


def test_a_model_that_cannot_be_built_leaves_none_behind() -> None:
    stage = _built()

    with pytest.raises(ConfigError, match="use the same weights on all"):
        stage.build(StagePlace(0, 1), type(TRAINING)("0" * 64, fresh=ARGS.model_dump()))

    assert (stage.executor, stage.worker, stage.decoder) == (None, None, None)
