# SPDX-License-Identifier: Apache-2.0
"""A tiny model over real peers of this process, beside the same model in one pipeline."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch

from node0.lora.adapter import apply_lora
from node0.lora.lora_config import LoRAConfig
from node0.models.base_model import fresh_digest
from node0.models.factory import build_stages
from node0.models.llama.arguments import LlamaArguments
from node0.pipeline.local import LocalPipeline
from node0.pipeline.protocol import Microbatch
from node0.pipeline.swarm.host_connection import MemberSpec
from node0.pipeline.swarm.swarm_pipeline import SwarmPipeline
from node0.pipeline.swarm.swarm_settings import SwarmSettings
from node0.server.host.hosted_stage import HostSpec
from node0.server.host.stage_host import StageHost
from node0.server.host.stage_spec import StagePlace, StageTraining
from node0.server.node0_server import Node0Server
from node0.server.server_settings import ServerSettings, WantedBase
from node0.stage_settings import OptimizerConfig
from node0.swarm.peer.peer import Peer, PeerSettings
from node0.swarm.run.identity import make_identity
from node0.swarm.run.run_file import key_file, read_run
from node0.swarm.transport.codec import Codec
from node0.swarm.transport.sockets import socket_directory

ARGS = LlamaArguments(
    hidden_dim=64,
    n_heads=4,
    n_kv_heads=2,
    num_hidden_layers=4,
    vocab_size=97,
    ffn_dim=128,
    max_seq_len=64,
    init_std=0.2,
)
SEED = 1


@dataclass(frozen=True, slots=True)
class Recipe:
    """What both pipelines are told."""

    num_stages: int = 3
    lora: LoRAConfig | None = field(default_factory=lambda: LoRAConfig(rank=4, alpha=128.0, dropout=0.0))
    optimizer: OptimizerConfig = field(default_factory=lambda: OptimizerConfig(lr=1e-3, max_grad_norm=1.0))
    args: LlamaArguments = field(default_factory=lambda: ARGS)


@dataclass(slots=True)
class Swarm:
    """Hosts and their trainer. `specs` is what the trainer finds; a test may add to it."""

    peers: list[Peer]
    hosts: list[StageHost]
    specs: list[MemberSpec]
    pipeline: SwarmPipeline


@contextmanager
def swarm(
    directory: Path,
    recipe: Recipe,
    *,
    members: Sequence[int | None] | None = None,
    deadline: float = 30.0,
    patience: float = 30.0,
    host_deadline: float = 30.0,
    in_flight: int | None = None,
    codec: Codec = "float32",
    is_closed: bool = False,
    state_bytes: int = 0,
    cache_budget: int | None = 2 << 30,
) -> Iterator[Swarm]:
    """Run a host for each of `members`, which names their stages (None: a spare), and a trainer.

    `is_closed` lets nobody else in.
    """
    stages = list(range(recipe.num_stages)) if members is None else list(members)
    names = [*map(str, range(len(stages))), "trainer"]
    allowed = {name: _identity(directory, name) for name in names} if is_closed else {}

    def settings_of(name: str, initial_peers: Sequence[str]) -> PeerSettings:
        return PeerSettings(
            directory / name,
            directory / f"{name}.key" if is_closed else None,
            initial_peers=initial_peers,
            allowed=frozenset(allowed.values()) if is_closed else None,
        )

    peers: list[Peer] = []
    hosts: list[StageHost] = []
    try:
        for number, stage in enumerate(stages):
            first = peers[0].addresses if peers else ()
            peers.append(Peer(settings_of(str(number), first)))
            place = None if stage is None else StagePlace(stage, recipe.num_stages)
            spec = HostSpec(
                f"stage-{number}",
                place,
                None,
                codec=codec,
                deadline=host_deadline,
                cache_budget=cache_budget,
            )
            hosts.append(StageHost(peers[-1], spec))
        specs = [
            MemberSpec(peer.peer_id, peer.addresses, stage) for peer, stage in zip(peers, stages, strict=True)
        ]
        peers.append(Peer(settings_of("trainer", peers[0].addresses)))

        async def find() -> list[MemberSpec]:
            return specs

        settings = SwarmSettings(
            recipe.num_stages,
            find,
            in_flight=in_flight,
            deadline=deadline,
            patience=patience,
            state_bytes=state_bytes,
        )
        pipeline = SwarmPipeline(
            peers[-1], settings, training(recipe), max_grad_norm=recipe.optimizer.max_grad_norm
        )
        try:
            yield Swarm(peers, hosts, specs, pipeline)
        finally:
            pipeline.close()
    finally:
        for host in hosts:
            host.close()
        for peer in reversed(peers):
            peer.close()


def _identity(directory: Path, name: str) -> str:
    directory.mkdir(exist_ok=True)
    return make_identity(directory / f"{name}.key").peer_id


def join(many: Swarm, directory: Path, place: StagePlace) -> StageHost:
    """One more host, which the trainer finds from now on."""
    peer = Peer(PeerSettings(directory, initial_peers=many.peers[0].addresses))
    many.peers.append(peer)
    many.hosts.append(StageHost(peer, HostSpec(f"late-{place.index}", place, None)))
    many.specs.append(MemberSpec(peer.peer_id, peer.addresses, place.index))
    return many.hosts[-1]


def leave(many: Swarm, number: int) -> None:
    """End a host; the trainer still knows where it was."""
    many.hosts.pop(number).close()
    many.peers.pop(number).close()


@contextmanager
def member(run_dir: Path, name: str) -> Iterator[Node0Server]:
    """A member of a run that `node0 swarm init` made, as `node0 server` starts it."""
    run = read_run(run_dir)
    member = run.member(name)
    settings = ServerSettings(
        run.run_id,
        None if member.stage is None else str(member.stage),
        run.num_stages,
        name=name,
        base=None if run.base_model is None else WantedBase(run.base_model),
        checkpoint_dir=run_dir / "checkpoints" / name,
        leaders=run.leaders,
    )
    peer = PeerSettings(
        socket_directory(run_dir, name),
        key_file(run_dir, name),
        host_maddrs=member.config.host_maddrs,
        initial_peers=run.seeds(but=member.peer_id),
        allowed=run.allowed,
    )
    serving = Node0Server.create(settings, peer)
    try:
        yield serving
    finally:
        serving.shutdown()


def training(recipe: Recipe) -> StageTraining:
    """The recipe as a trainer tells it to stages."""
    return StageTraining(
        base_digest=fresh_digest(recipe.args, SEED),
        seed=SEED,
        lora=None if recipe.lora is None else recipe.lora.model_dump(),
        optimizer=recipe.optimizer.model_dump(mode="json"),
        fresh=recipe.args.model_dump(),
    )


def local(recipe: Recipe) -> LocalPipeline:
    """The same model in this process."""
    stages = build_stages(recipe.args, recipe.num_stages, seed=SEED)
    for stage in stages:
        if recipe.lora is None:
            stage.requires_grad_(requires_grad=True)
        else:
            apply_lora(stage, recipe.lora, seed=SEED)
    return LocalPipeline(stages, optimizer=recipe.optimizer)


def batch(step: int, *, microbatches: int = 6) -> list[Microbatch]:
    """Rows of unequal length, with unequal numbers of supervised tokens."""
    generator = torch.Generator().manual_seed(step)
    found = []
    for _ in range(microbatches):
        length = int(torch.randint(8, 40, (1,), generator=generator))
        ids = torch.randint(0, ARGS.vocab_size, (2, length), generator=generator)
        chosen = torch.rand(2, length, generator=generator) < 0.5
        labels = torch.where(chosen, torch.randint(0, 97, (2, length), generator=generator), -100)
        found.append(Microbatch(ids, torch.arange(length).repeat(2, 1), labels))
    return found


def with_dropout(recipe: Recipe) -> Recipe:
    """The recipe with masks on the adapter's input."""
    return replace(recipe, lora=LoRAConfig(rank=4, alpha=128.0, dropout=0.05))
