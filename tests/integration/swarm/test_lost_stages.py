# SPDX-License-Identifier: Apache-2.0
"""A stage is killed at the worst moments; a spare takes its place; nothing of it is seen in the result."""

import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from integration.swarm.in_process import batch
from integration.swarm.processes import init, place, start

from node0.lora.adapter import apply_lora
from node0.lora.lora_config import LoRAConfig
from node0.models.base_model import BaseModelDir, resolve_base
from node0.models.factory import load_stages
from node0.pipeline.local import LocalPipeline
from node0.pipeline.protocol import Microbatch, SamplingParams, TrainStep
from node0.pipeline.swarm.host_connection import HostConnection, MemberSpec
from node0.pipeline.swarm.swarm_pipeline import SwarmPipeline
from node0.pipeline.swarm.swarm_settings import SwarmSettings
from node0.pipeline.swarm.swarm_step import StepAttempt
from node0.server.host.stage_spec import StageTraining
from node0.stage_settings import OptimizerConfig
from node0.swarm.peer.peer import Peer, PeerSettings
from node0.swarm.run.run_file import key_file, read_run
from node0.swarm.run.swarm_run import TRAINER
from node0.swarm.transport.frames import Frame
from node0.swarm.transport.sockets import socket_directory

pytestmark = pytest.mark.integration

LORA = LoRAConfig(rank=4, alpha=128.0, dropout=0.05)
OPTIMIZER = {"lr": 1e-3, "max_grad_norm": 1.0}
STEPS, VICTIM_STEP = 6, 4


@dataclass(slots=True)
class Scene:
    """A swarm of processes, its trainer here, and the same model in this process alone."""

    pipeline: SwarmPipeline
    processes: dict[str, "subprocess.Popen[bytes]"]
    base: BaseModelDir

    def kill_body(self) -> None:
        body = self.processes["body-1"]
        os.kill(body.pid, signal.SIGKILL)
        body.wait()


@contextmanager
def scene(directory: Path, *, backup_every: int = 3) -> Iterator[Scene]:
    """head-0, body-1, tail-2 and a spare whose directory is not the run's."""
    file = place(directory)
    run_dir = directory / "swarm"
    init(file, run_dir, "--stages", "3", "--spares", "1")
    spare_dir = directory / "elsewhere"
    (spare_dir / "identities").mkdir(parents=True)
    shutil.copy(run_dir / "run.json", spare_dir)
    shutil.move(key_file(run_dir, "spare-0"), key_file(spare_dir, "spare-0"))
    run = read_run(run_dir)
    processes = {name: start(run_dir, name) for name in ("head-0", "body-1", "tail-2")}
    processes["spare-0"] = start(spare_dir, "spare-0")
    specs = [
        MemberSpec(
            each.peer_id,
            [str(address) for address in each.full_addresses],
            None if each.stage is None else each.stage.index,
        )
        for each in run.members
        if each.name != TRAINER
    ]

    async def find() -> list[MemberSpec]:
        return specs

    settings = PeerSettings(
        socket_directory(run_dir, TRAINER),
        identity_path=key_file(run_dir, TRAINER),
        host_maddrs=run.member(TRAINER).config.host_maddrs,
    )
    peer = Peer(settings)
    try:
        base = resolve_base(directory / "base")
        training = StageTraining(base.digest, seed=5, lora=LORA.model_dump(), optimizer=OPTIMIZER)
        swarm_settings = SwarmSettings(3, find, backup_every=backup_every, deadline=120.0, patience=900.0)
        pipeline = SwarmPipeline(peer, swarm_settings, training, max_grad_norm=1.0)
        yield Scene(pipeline, processes, base)
        pipeline.close()
    finally:
        peer.close()
        for process in processes.values():
            process.kill()
            process.wait()


def one_process(base: BaseModelDir) -> LocalPipeline:
    stages = load_stages(base, 3)
    for stage in stages:
        apply_lora(stage, LORA, seed=5)
    return LocalPipeline(stages, optimizer=OptimizerConfig(lr=1e-3, max_grad_norm=1.0))


def given(step: int) -> TrainStep:
    return TrainStep(step, 1e-3, seed=9)


def microbatches(step: int) -> list[Microbatch]:
    return batch(step, microbatches=4)


def once(happens: Callable[[], None]) -> Callable[[], None]:
    """Let something happen at the first call only."""
    left = [happens]
    return lambda: left.pop()() if left else None


def in_forward(found: Scene, patch: pytest.MonkeyPatch) -> None:
    """The body dies when two microbatches are under way."""
    send, kill = StepAttempt._send, once(found.kill_body)

    async def sent(attempt: StepAttempt, index: int) -> None:
        await send(attempt, index)
        if index == 1:
            kill()

    patch.setattr(StepAttempt, "_send", sent)


def before_apply(found: Scene, patch: pytest.MonkeyPatch) -> None:
    """It dies when all have prepared and none has applied."""
    prepare, kill = StepAttempt._prepare, once(found.kill_body)

    async def prepared(attempt: StepAttempt) -> Any:
        replies = await prepare(attempt)
        kill()
        return replies

    patch.setattr(StepAttempt, "_prepare", prepared)


def between_applies(found: Scene, patch: pytest.MonkeyPatch) -> None:
    """It dies when the head has applied and the body has not."""
    request, kill = HostConnection.request, once(found.kill_body)

    async def asked(member: HostConnection, frame: Frame, *, deadline: float) -> Frame:
        if frame.kind == "apply" and member.stage == 1:
            kill()
        return await request(member, frame, deadline=deadline)

    patch.setattr(HostConnection, "request", asked)


@pytest.mark.parametrize("moment", [in_forward, before_apply, between_applies])
def test_a_killed_body_changes_nothing(
    moment: Callable[[Scene, pytest.MonkeyPatch], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with scene(tmp_path) as found:
        one = one_process(found.base)
        for step in range(STEPS):
            if step == VICTIM_STEP:
                moment(found, monkeypatch)
            expected = one.train_step(microbatches(step), given(step))
            assert found.pipeline.train_step(microbatches(step), given(step)) == expected
        assert found.processes["body-1"].poll() is not None
        found.pipeline.save(tmp_path / "many")
        one.save(tmp_path / "one")

    for path in sorted((tmp_path / "one").iterdir()):
        assert (tmp_path / "many" / path.name).read_bytes() == path.read_bytes()


def test_a_text_is_the_same_when_a_stage_dies_in_the_middle(tmp_path: Path) -> None:
    with scene(tmp_path) as found:
        one = one_process(found.base)
        for pipeline in (one, found.pipeline):
            pipeline.train_step(microbatches(0), given(0))
        expected = write(one, lambda written: None)

        text = write(found.pipeline, lambda written: found.kill_body() if written == 30 else None)

    assert len(text) == 64
    assert text == expected


def write(pipeline: Any, at: Callable[[int], None]) -> list[int]:
    session = pipeline.session(SamplingParams(temperature=0.9, seed=4), max_length=80)
    token, text = session.extend([5, 6, 7]), []
    for written in range(64):
        at(written)
        text.append(token)
        token = session.extend([token])
    session.close()
    return text
