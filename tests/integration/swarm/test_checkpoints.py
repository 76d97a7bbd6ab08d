# SPDX-License-Identifier: Apache-2.0
"""Checkpoints of stages that run in processes of their own, each with a directory of its own."""

import json
import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
import torch
from integration.hf_models import our_logits
from integration.swarm.in_process import ARGS, Recipe, batch, local, training
from integration.swarm.processes import wait_until
from peft import PeftModel
from transformers import AutoModelForCausalLM

from node0.finetune.checkpoint.assembler import assemble_checkpoint
from node0.finetune.checkpoint.checkpoint_collector import CheckpointCollector, CollectSettings
from node0.finetune.checkpoint.gatherer import CheckpointGatherer
from node0.finetune.checkpoint.peft import export_peft
from node0.finetune.checkpoint.shard_sources import Trust
from node0.lora.lora_config import LoRAConfig
from node0.models.base_model import export_base, fresh_digest
from node0.models.stage_name import stage_names
from node0.pipeline.local import LocalPipeline
from node0.pipeline.protocol import TrainStep
from node0.pipeline.swarm.host_connection import MemberSpec
from node0.pipeline.swarm.swarm_pipeline import SwarmPipeline
from node0.pipeline.swarm.swarm_settings import SwarmSettings
from node0.server.stage.shard_file import shard_path
from node0.swarm.peer.peer import Peer, PeerSettings
from node0.swarm.peer.shard_stream import CHUNK, pull_shard
from node0.swarm.records.shards import Announced, announcement_key
from node0.swarm.run.identity import Identity, make_identity

pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(240),
    # peft names the one key of ours that it ignores, and asks transformers in its older way.
    pytest.mark.filterwarnings("ignore:Unexpected keyword arguments"),
    pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning"),
]

RUN = "harbor"
RECIPE = Recipe(lora=LoRAConfig(rank=64, dropout=0.0))
BODY = "body-1"
STAGES = [str(name) for name in stage_names(3)]
HERE = Path(__file__).parent


@dataclass
class Host:
    """One stage host: its process, and the directory that nobody else reads in earnest."""

    stage: int
    directory: Path
    identity: Identity
    process: "subprocess.Popen[str]"
    addresses: list[str] = field(default_factory=list)

    def shard(self, step: int) -> Path:
        return shard_path(self.directory / "checkpoints", STAGES[self.stage], step)


@dataclass
class Run:
    """Head, two bodies and tail in four processes, and their trainer here."""

    directory: Path
    hosts: list[Host]
    trainer: Peer
    pipeline: SwarmPipeline
    leader_key: Path
    step: int = 0

    def train(self, steps: int = 1) -> float:
        """The sum of the last step's loss."""
        for _ in range(steps):
            result = self.pipeline.train_step(batch(self.step), TrainStep(self.step, 1e-2, seed=3))
            self.step += 1
        return result.loss_sum

    @property
    def trust(self) -> Trust:
        return Trust(frozenset(host.identity.peer_id for host in self.hosts), fresh_digest(ARGS, 1))

    @property
    def bodies(self) -> list[Host]:
        """In the order in which a gatherer asks them."""
        return sorted(self.hosts[1:3], key=lambda host: host.identity.peer_id)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    directory = tmp_path_factory.mktemp("c")
    keys = {name: directory / name / "peer.key" for name in ("h", "b", "r", "t", "trainer", "leader")}
    identities = {name: make_identity(key) for name, key in keys.items()}
    allowed = [identity.peer_id for identity in identities.values()]
    with ExitStack() as stack:
        hosts: list[Host] = []
        for name, stage in (("h", 0), ("b", 1), ("r", 1), ("t", 2)):
            first = read_addresses(hosts[0]) if hosts else []
            given = {
                "run": RUN,
                "directory": str(directory / name),
                "stage": stage,
                "num_stages": 3,
                "initial_peers": first,
                "allowed": allowed,
            }
            process = stack.enter_context(started("stage_process.py", given, directory / f"{name}.log"))
            hosts.append(Host(stage, directory / name, identities[name], process))
        specs = [MemberSpec(host.identity.peer_id, read_addresses(host), host.stage) for host in hosts]
        trainer = Peer(PeerSettings(directory / "s", keys["trainer"], initial_peers=hosts[0].addresses))
        stack.callback(trainer.close)

        async def find() -> list[MemberSpec]:
            return specs

        settings = SwarmSettings(3, find, deadline=60.0, patience=60.0)
        pipeline = SwarmPipeline(
            trainer, settings, training(RECIPE), max_grad_norm=RECIPE.optimizer.max_grad_norm
        )
        stack.callback(pipeline.close)
        yield Run(directory, hosts, trainer, pipeline, keys["leader"])


@contextmanager
def started(script: str, given: dict[str, object], log: Path) -> "Iterator[subprocess.Popen[str]]":
    """A child that ends with this block: its input is closed, and it is killed where that is not enough."""
    with (
        log.open("w") as errors,
        subprocess.Popen(
            [sys.executable, str(HERE / script), json.dumps(given)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        ) as process,
    ):
        try:
            yield process
        finally:
            if process.stdin is not None:
                process.stdin.close()
            try:
                process.wait(20.0)
            except subprocess.TimeoutExpired:
                process.kill()


def read_addresses(host: Host) -> list[str]:
    """Waits until the host serves."""
    if not host.addresses:
        assert host.process.stdout is not None
        host.addresses = json.loads(host.process.stdout.readline())
    return host.addresses


def gather(
    run: Run, where: Path, step: int, *, timeout: float = 60.0, stages: Sequence[str] = STAGES
) -> dict[str, Path] | None:
    return CheckpointGatherer(where, trust=run.trust).gather_all_shards(
        run.trainer, RUN, step, stages, timeout
    )


def test_the_gathered_checkpoint_is_what_the_trainer_itself_exports(run: Run, tmp_path: Path) -> None:
    run.train(3)
    digests = run.pipeline.checkpoint(run.step, progress='{"step": 3}')
    run.pipeline.save(tmp_path / "pipeline")
    own = local(RECIPE)
    own.load(tmp_path / "pipeline")
    export_peft(own.stages, tmp_path / "adapter", base_name="base", base_digest=fresh_digest(ARGS, 1))

    shards = gather(run, tmp_path / "gathered", run.step)

    assert shards is not None
    assert {stage: path.stem for stage, path in shards.items()} == digests
    assert all(tmp_path in path.parents for path in shards.values())
    merged = assemble_checkpoint(shards, tmp_path / "whole", base_name="base")
    assert merged.name == "merged_lora.safetensors"
    assert (tmp_path / "whole" / "trainer.json").read_text() == '{"step": 3}'
    for part in ("pipeline", "adapter"):
        assert content(tmp_path / "whole" / part) == content(tmp_path / part)
    check_in_peft(own, tmp_path)
    resumed = local(RECIPE)
    resumed.load(tmp_path / "whole" / "pipeline")
    given = TrainStep(run.step, 1e-2, seed=3)
    assert resumed.train_step(batch(run.step), given).loss_sum == pytest.approx(run.train(), rel=1e-6)


def content(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def check_in_peft(own: LocalPipeline, directory: Path) -> None:
    """The assembled adapter gives in peft the logits that the trained stages give."""
    ids = torch.randint(0, ARGS.vocab_size, (2, 12), generator=torch.Generator().manual_seed(1))
    export_base(own.stages, directory / "base")
    base = AutoModelForCausalLM.from_pretrained(
        directory / "base", dtype=torch.float32, attn_implementation="eager"
    ).eval()
    with torch.no_grad():
        plain = base(ids).logits
        found = PeftModel.from_pretrained(base, directory / "whole" / "adapter").eval()(ids).logits
    ours = our_logits(own.stages, ids)
    torch.testing.assert_close(found, ours, atol=1e-4, rtol=1e-4)
    assert (plain - ours).abs().max() > 1e-2


def test_a_corrupted_shard_is_refused_and_comes_from_a_replica(
    run: Run, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run.train()
    digests = run.pipeline.checkpoint(run.step)
    damaged = run.bodies[0]
    content = bytearray(damaged.shard(run.step).read_bytes())
    content[-100] ^= 1
    damaged.shard(run.step).write_bytes(content)
    # A gatherer takes what is announced when it looks.
    key = announcement_key(RUN, run.step, BODY)
    assert wait_until(lambda: len(run.trainer.get(key)) == len(run.bodies), 30.0)

    shards = gather(run, tmp_path / "g", run.step)

    assert shards is not None
    assert shards[BODY].stem == digests[BODY]
    assert shards[BODY].read_bytes() == run.bodies[1].shard(run.step).read_bytes()
    refused = [message for message in caplog.messages if message.startswith(f"refused shard {BODY}")]
    assert len(refused) == 1
    assert damaged.identity.peer_id in refused[0]


def test_a_missing_stage_ends_the_gather_and_not_the_training(
    run: Run, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = CollectSettings(RUN, STAGES, tmp_path / "whole", timeout=4.0)
    begun, released = threading.Event(), threading.Event()

    def held(peer: Peer, source: Announced, offset: int, *, stall: float):  # type: ignore[no-untyped-def]  # it returns what the real one does
        begun.set()
        released.wait(60.0)
        return pull_shard(peer, source, offset, stall=stall)

    gatherer = CheckpointGatherer(tmp_path / "g", trust=run.trust, pull=held)
    collector = CheckpointCollector(gatherer, run.trainer, settings)
    run.train()
    digests = run.pipeline.checkpoint(run.step)
    lost = run.step
    run.hosts[3].shard(lost).unlink()
    collector.collect(lost, digests)

    assert begun.wait(60.0)
    run.train(2)
    assert not collector.wait(0.0), "training waited for the gather"
    released.set()
    assert collector.wait(60.0)
    assert not (tmp_path / "whole").exists()
    (told,) = [line for line in caplog.messages if f"checkpoint of step {lost} is not whole" in line]
    assert "tail-2 came" in told
    caplog.set_level(logging.INFO)
    # Nothing is missing of the next one, however long it takes.
    collector._settings = replace(settings, timeout=60.0)
    collector.collect(run.step, run.pipeline.checkpoint(run.step))
    assert collector.wait(90.0)
    collector.close()

    assert [path.name for path in (tmp_path / "whole").iterdir()] == [f"step_{run.step}"]
    assert not (tmp_path / "g" / f"step_{lost}").exists()


def test_a_gather_that_a_dead_leader_began_is_finished_by_another(run: Run, tmp_path: Path) -> None:
    run.train()
    digests = run.pipeline.checkpoint(run.step)
    where = tmp_path / "g"
    given: dict[str, object] = {
        "run": RUN,
        "directory": str(where),
        "sockets": str(run.directory / "l"),
        "key": str(run.leader_key),
        "initial_peers": run.hosts[0].addresses,
        "step": run.step,
        "stages": STAGES,
        "stops_at": BODY,
    }
    with started("leader_process.py", given, tmp_path / "leader.log") as process:
        begun = where / "shards" / f"{digests[BODY]}.part"
        wait_for(lambda: begun.is_file() and begun.stat().st_size == CHUNK and len(whole(where)) == 2)
        # Two at once: while the first leader lives, the stage that it has begun is its own.
        assert gather(run, where, run.step, timeout=1.0) is None
        process.kill()
        process.wait(20.0)
    asked: list[tuple[str, int]] = []

    def pull(peer: Peer, source: Announced, offset: int, *, stall: float):  # type: ignore[no-untyped-def]  # it returns what the real one does
        asked.append((source.announcement.stage, offset))
        return pull_shard(peer, source, offset, stall=stall)

    second = CheckpointGatherer(where, trust=run.trust, pull=pull)
    shards = second.gather_all_shards(run.trainer, RUN, run.step, STAGES, 60.0)

    assert asked == [(BODY, CHUNK)]
    assert shards is not None
    assert shards[BODY].read_bytes() == run.hosts[1].shard(run.step).read_bytes()
    assert not list(where.glob("shards/*.part"))


def whole(where: Path) -> list[Path]:
    return list(where.glob("shards/*.safetensors"))


def wait_for(condition, seconds: float = 90.0) -> None:  # type: ignore[no-untyped-def]  # any callable
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)
