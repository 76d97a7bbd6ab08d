# SPDX-License-Identifier: Apache-2.0
"""Requests of a trainer and a generator, one after the other, on a stage without a network."""

from dataclasses import asdict
from typing import Any

import pytest
import torch
from hosted import TRAINING, FakeClient, hosted

from node0.errors import ConfigError, RetriableError
from node0.server.host.operations import OPERATIONS
from node0.server.host.stage_spec import StagePlace
from node0.server.stage.state_file import state_digest
from node0.swarm.transport.frames import Frame

PLACE = {"index": 0, "num_stages": 1, "layers_per_stage": None}
LABELS = torch.tensor([[2, 3, 4, -100]])


class Led:
    """A stage and the trainer that leads it."""

    def __init__(self, place: StagePlace | None = None) -> None:
        self.stage: Any = hosted(place)
        self.trainer: Any = FakeClient()
        self.ask("hello", client="me", lead=True)

    def ask(self, kind: str, *, blob: bytes = b"", **fields: Any) -> Frame:
        """The reply to one request."""
        return OPERATIONS[kind](self.stage, Frame(kind, fields, (), blob), self.trainer)

    def reset(self, place: dict[str, Any] | None = None) -> Frame:
        """Make the model, at a place."""
        return self.ask("reset", place=place or PLACE, training=asdict(TRAINING))

    def step(self, version: int) -> None:
        """One microbatch, forward and backward, and the step on it."""
        fields = {
            "step": version,
            "seed": 0,
            "loss": "sft",
            "below": [],
            "above": [],
            "first": 0,
            "stride": 1,
        }
        self.ask("begin", attempt="a", version=version, **fields)
        given = {"attempt": "a", "mb": 0}
        ids = [torch.tensor([[1, 2, 3, 4]]), torch.arange(4)[None]]
        for frame in (Frame("input", given, ids), Frame("labels", given, [LABELS])):
            self.stage.handle(frame, self.trainer)
        assert self.ask("prepare", attempt="a", expected=1)["finite"]
        self.ask("apply", attempt="a", version=version + 1, lr=1e-2, scale=1.0)


def test_a_step_moves_the_weights_and_an_abort_undoes_it() -> None:
    led = Led()
    assert led.reset()["version"] == 0
    before = led.ask("state").blob

    led.step(0)

    assert led.ask("state")["version"] == 1
    assert led.ask("state").blob != before
    assert led.ask("abort", version=0)["version"] == 0
    assert led.ask("state").blob == before


def test_a_version_before_the_last_step_cannot_be_gone_back_to() -> None:
    led = Led()
    led.reset()
    for version in (0, 1):
        led.step(version)

    with pytest.raises(RetriableError, match="cannot go back to 0"):
        led.ask("abort", version=0)


def test_the_state_of_one_stage_makes_another_equal() -> None:
    one, other = Led(), Led()
    for led in (one, other):
        led.reset()
    one.step(0)
    state = one.ask("state")

    with pytest.raises(RetriableError, match="digest is wrong"):
        other.ask("load", sha256="0" * 64, blob=state.blob)
    reply = other.ask("load", sha256=state["sha256"], blob=state.blob)

    assert reply["version"] == 1
    assert state_digest(other.ask("state").blob) == state["sha256"]


def test_sums_are_given_and_taken() -> None:
    led = Led()
    led.reset()
    sums = led.ask("sums").tensors

    frame = Frame("sums", {}, [torch.ones_like(total) for total in sums])
    OPERATIONS["sums"](led.stage, frame, led.trainer)

    assert sums and all(not total.any() for total in sums)
    assert all(bool((total == 1).all()) for total in led.ask("sums").tensors)
    assert list(led.ask("tied").tensors) == []


def test_a_spare_needs_a_place_and_a_stage_keeps_its_own() -> None:
    spare, held = Led(), Led(StagePlace(1, 3))

    with pytest.raises(ConfigError, match="has no place in the model yet"):
        spare.ask("reset", training=asdict(TRAINING))
    with pytest.raises(ConfigError, match="holds stage 1 of 3"):
        held.reset()
    held.ask("reset", training=asdict(TRAINING))
    assert held.stage.executor.stage.args.stage == 1


@pytest.mark.parametrize(
    "kind", ["reset", "neighbours", "begin", "prepare", "sums", "tied", "apply", "abort"]
)
def test_who_does_not_lead_changes_nothing(kind: str) -> None:
    led = Led()
    led.reset()

    with pytest.raises(ConfigError, match="another trainer leads"):
        OPERATIONS[kind](led.stage, Frame(kind), FakeClient())  # type: ignore[arg-type]  # a border's fake


def test_a_step_from_another_version_does_not_begin() -> None:
    led = Led()
    led.reset()

    with pytest.raises(RetriableError, match="is at version 0, the trainer at 3"):
        led.ask("begin", version=3)


def test_a_shard_needs_a_directory() -> None:
    led = Led()
    led.reset()

    with pytest.raises(ConfigError, match="no directory for checkpoints"):
        led.ask("shard", version=0, step=0)


def test_sequences_are_opened_and_closed() -> None:
    led = Led()
    given = {"session": "s", "max_length": 8, "adapter": True, "above": None, "sampling": {}}
    with pytest.raises(RetriableError, match="wait for its trainer"):
        led.ask("open", **given)
    led.reset()

    led.ask("open", **given)
    assert led.stage.decoder.nbytes > 0
    led.ask("close", session="s")

    assert led.stage.decoder.nbytes == 0
