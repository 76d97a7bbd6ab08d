# SPDX-License-Identifier: Apache-2.0
"""What comes back after a fault is what was there before it; what no replay can heal ends at once."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch
from integration.swarm.in_process import Recipe, Swarm, batch, local, swarm, training

from node0.errors import ConfigError, NonRetriableError, SwarmTimeout
from node0.pipeline.protocol import Microbatch, SamplingParams, TrainStep
from node0.pipeline.swarm.swarm_state import Cut
from node0.server.host.stage_host import CONTROL
from node0.server.host.stage_spec import StagePlace
from node0.swarm.transport.frames import Frame
from node0.swarm.transport.stream import Stream

pytestmark = pytest.mark.integration

RECIPE = Recipe(num_stages=2)


def lose(many: Swarm, number: int) -> None:
    """End the trainer's connection to a host."""
    member = many.pipeline.roster._members[many.peers[number].peer_id]

    async def end() -> None:
        member.close("the test ends it")

    many.pipeline.run(end)


def test_what_a_stage_can_never_do_is_not_tried_for_ever(tmp_path: Path) -> None:
    ids = torch.full((1, 8), RECIPE.args.vocab_size)
    unknown = Microbatch(ids, torch.arange(8)[None], ids.clamp(max=5))
    one = local(RECIPE)

    with swarm(tmp_path / "s", RECIPE) as many:
        with pytest.raises(NonRetriableError, match=r"stage 0 at peer .*: 'index out of range"):
            many.pipeline.train_step([*batch(0), unknown], TrainStep(0, 1e-3))
        with pytest.raises(NonRetriableError, match="index out of range"):
            many.pipeline.score(unknown)
        session = many.pipeline.session(SamplingParams(temperature=0.0), max_length=20)
        token = session.extend([1, 2])
        with pytest.raises(NonRetriableError, match="index out of range"):
            session.extend([RECIPE.args.vocab_size])
        assert many.pipeline.session(SamplingParams(temperature=0.0), max_length=20).extend([1, 2]) == token

        with pytest.raises(ConfigError, match="no adapter 'other'"):
            many.pipeline.session(SamplingParams(), max_length=20, adapter="other")

        # The stages are as they were.
        assert many.pipeline.train_step(batch(0), TrainStep(0, 1e-3)) == one.train_step(
            batch(0), TrainStep(0, 1e-3)
        )


def test_an_adapter_that_training_starts_from_is_given_to_whoever_comes_back(tmp_path: Path) -> None:
    one = local(RECIPE)
    for executor in one.executors:
        for weight in executor.trained.weights.values():
            torch.nn.init.normal_(weight, std=0.1)
    adapter = {index: stage.trained.state_bytes() for index, stage in enumerate(one.executors)}

    with swarm(tmp_path / "s", RECIPE) as many:
        many.pipeline.adopt(Cut(0, adapter))
        expected = one.score(batch(1)[0])
        lose(many, 1)
        torch.testing.assert_close(many.pipeline.score(batch(1)[0]), expected)
        assert many.pipeline.back_up().states == adapter


def test_a_spare_takes_another_stage_than_it_once_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = local(RECIPE)

    with swarm(tmp_path / "s", RECIPE, members=[0, 1, None, None]) as many:
        unreachable: set[str] = set()
        opened = many.peers[-1].open

        async def open_if_there(remote: str, name: str, addresses: Sequence[str] = ()) -> Stream:
            if remote in unreachable:
                raise SwarmTimeout(f"peer {remote} is gone")
            return await opened(remote, name, addresses)

        monkeypatch.setattr(many.peers[-1], "open", open_if_there)
        # The first spare takes stage 1; when it comes back with the second one, it is given stage 0.
        for step, lost in enumerate([[], [1], [0, 2]]):
            unreachable |= {many.peers[number].peer_id for number in lost if number < 2}
            for number in lost:
                lose(many, number)
            given = TrainStep(step, 1e-3, seed=3)
            assert many.pipeline.train_step(batch(step), given) == one.train_step(batch(step), given)

        places = [host.stage.place for host in many.hosts[2:]]
        assert [place and place.index for place in places] == [0, 1]


def test_a_state_is_loaded_although_a_stage_was_just_lost(tmp_path: Path) -> None:
    one = local(RECIPE)
    for step in range(2):
        one.train_step(batch(step), TrainStep(step, 1e-3))
    one.save(tmp_path / "saved")

    with swarm(tmp_path / "s", RECIPE) as many:
        lose(many, 0)
        many.pipeline.load(tmp_path / "saved")

        assert many.pipeline.version == 2
        given = TrainStep(2, 1e-3)
        assert many.pipeline.train_step(batch(2), given) == one.train_step(batch(2), given)


def test_a_replica_that_cannot_be_used_stops_nobody(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    one = local(RECIPE)

    with swarm(tmp_path / "s", RECIPE, members=[0, 1, None]) as many:
        # It says that it is of stage 1, and was started for stage 0.
        many.hosts[2].stage.spec = replace(many.hosts[2].spec, place=StagePlace(0, 2))
        many.specs[2] = replace(many.specs[2], stage=1)
        for step in range(3):
            given = TrainStep(step, 1e-3, seed=3)
            assert many.pipeline.train_step(batch(step), given) == one.train_step(batch(step), given)
            lose(many, 2)
            lose(many, 1)

    lines = [line for line in caplog.messages if "cannot take part" in line]
    assert len(lines) == 1
    assert f"cannot take part: peer {many.specs[2].peer_id} says 'stage-2 holds stage 0 of 2" in lines[0]


def test_what_an_earlier_attempt_asked_for_comes_too_late(tmp_path: Path) -> None:
    """Also at version 0, which is that of every stage that was reset."""
    fresh = Frame("reset", {"training": asdict(training(RECIPE)), "place": None})
    late = [
        Frame("prepare", {"attempt": "old", "expected": 0}),
        Frame("apply", {"attempt": "old", "version": 1, "lr": 1.0, "scale": 1.0}),
        Frame("apply", {"attempt": None, "version": 1, "lr": 1.0, "scale": 1.0}),
    ]

    with swarm(tmp_path / "s", RECIPE) as many:
        host, trainer = many.hosts[0], many.peers[-1]

        async def ask(stream: Stream, frame: Frame) -> str:
            await stream.send(Frame(frame.kind, {**frame.fields, "id": 0}))
            reply = await stream.receive()
            assert reply is not None
            return str(reply.fields.get("text", "done"))

        async def talk() -> None:
            first, second = [await trainer.open(host.peer.peer_id, CONTROL) for _ in range(2)]
            assert await ask(first, Frame("hello", {"client": "x", "lead": True})) == "done"
            assert await ask(first, fresh) == "done"
            assert await ask(first, _begin("old")) == "done"
            assert await ask(second, Frame("hello", {"client": "x", "lead": True})) == "done"
            executor = host.stage.executor
            for frame in late:
                assert "attempt is over" in await ask(second, frame)
            assert await ask(second, _begin("new")) == "done"
            for frame in late:
                assert "attempt is over" in await ask(second, frame)
            refused = await first.receive()
            assert refused is not None and refused.kind == "failed"
            for frame in (*late, fresh, Frame("abort", {"version": 0}), _begin("old")):
                assert "another trainer leads" in await ask(first, frame)
            assert host.stage.executor is executor is not None
            assert host.stage.worker is not None
            assert (executor.trained.version, host.stage.worker.attempt) == (0, "new")
            for stream in (first, second):
                stream.close()

        trainer.run(talk(), timeout=30.0)


def _begin(token: str) -> Frame:
    step = {"version": 0, "step": 0, "seed": 0, "loss": "sft", "first": 0, "stride": 1}
    return Frame("begin", {"attempt": token, **step, "below": [], "above": []})
