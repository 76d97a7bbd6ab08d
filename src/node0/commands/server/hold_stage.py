# SPDX-License-Identifier: Apache-2.0
"""Hold one stage of a run on this machine until a signal ends it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from node0 import console
from node0.commands.server.stop_signal import StopSignal
from node0.commands.training_flags import warn_of_local_mode
from node0.errors import ConfigError
from node0.finetune.config import FineTuneConfig
from node0.finetune.training.plan.precision import pick_device
from node0.finetune.training.plan.training_settings import resolve_training
from node0.models.stage_name import StageName
from node0.server.host.prometheus import serve_metrics
from node0.server.node0_server import Node0Server
from node0.server.server_settings import ServerSettings, WantedBase
from node0.swarm.peer.peer import PeerSettings
from node0.swarm.run.address import check_peer_id, parse_seed
from node0.swarm.run.identity import read_identity
from node0.swarm.run.run_file import authorizer_of, key_file, read_run
from node0.swarm.run.swarm_run import Member, SwarmRun
from node0.swarm.transport.sockets import socket_directory


@dataclass(frozen=True, slots=True)
class HoldRequest:
    """What the command line says; None and empty where it is silent."""

    directory: Path
    "Where keys, sockets and checkpoints of the run lie."

    run_file: Path | None
    "run.json or its directory; what no flag says comes from there."

    local_mode: bool
    stage: str | None
    "None for a spare."

    base_model: str | None
    initial_peers: tuple[str, ...]
    host_maddrs: tuple[str, ...]
    announce_maddrs: tuple[str, ...]
    identity_path: Path | None
    finetune_config: str | None
    allow_peers: tuple[str, ...]
    bead_id: str | None
    device: str
    threads: int | None
    metrics_port: int | None


def hold_stage(request: HoldRequest, stop: StopSignal) -> None:
    """Serve a stage, or wait as a spare, until `stop`.

    Raises:
        SwarmTimeout: the stage's daemon ended and could not be started again.
    """
    run = SwarmRun() if request.run_file is None else read_run(request.run_file.expanduser())
    authorizer = authorizer_of(run, local_mode=request.local_mode)
    if authorizer is None:
        warn_of_local_mode()
    allowed = frozenset(check_peer_id(text) for text in request.allow_peers)
    training = _training(request.finetune_config)
    device = _device(request.device, request.threads)
    if request.stage is not None:
        _refuse_unknown(run, request.stage)
    server = _start(run, request, authorizer=authorizer, allowed=allowed, training=training, device=device)
    try:
        _announce(server, request)
        server.peer.when_lost(stop.end)
        stop.wait()
        if server.peer.fault is not None:
            raise server.peer.fault
    finally:
        server.shutdown()


def _training(name: str | None) -> FineTuneConfig | None:
    return None if name is None else resolve_training({}, config=name)[0].values


def _device(name: str, threads: int | None) -> str:
    if threads is not None:
        torch.set_num_threads(threads)
    return str(pick_device(name))


def _refuse_unknown(run: SwarmRun, stage: str) -> None:
    StageName.parse(stage, num_stages=run.num_stages)
    if run.members:
        run.member(stage)


def _start(
    run: SwarmRun,
    request: HoldRequest,
    *,
    authorizer: Any,
    allowed: frozenset[str],
    training: FineTuneConfig | None,
    device: str,
) -> Node0Server:
    key = _key(request)
    peer_id = read_identity(key).peer_id
    member = _member(run, peer_id, key=key, stage=request.stage)
    config = member.config if member is not None else None
    place = member.name if member is not None else peer_id[-12:]
    settings = ServerSettings(
        run.run_id,
        request.stage or (str(member.stage) if member is not None and member.stage else None),
        run.num_stages,
        layers_per_stage=run.layers_per_stage,
        name=member.name if member is not None else None,
        base=_base(run, request),
        leaders=run.leaders | allowed,
        wire=run.wire,
        deadline=run.deadlines.microbatch,
        device=device,
        checkpoint_dir=request.directory / "checkpoints" / place,
        bead_id=request.bead_id,
    )
    peer = PeerSettings(
        socket_directory(request.directory, place),
        key,
        host_maddrs=request.host_maddrs or (config.host_maddrs if config else ("/ip4/127.0.0.1/tcp/0",)),
        announce_maddrs=request.announce_maddrs or (config.announce_maddrs if config else ()),
        initial_peers=_seeds(request.initial_peers) or run.seeds(but=peer_id),
        allowed=run.allowed | allowed | {peer_id},
    )
    return Node0Server.create(settings, peer, finetune_config=training, authorizer=authorizer)


def _base(run: SwarmRun, request: HoldRequest) -> WantedBase | None:
    """The base that the command line names, or the run's; both must be what the run is made for."""
    if request.base_model is not None:
        return WantedBase(request.base_model, digest=run.base_digest)
    if run.base_model is None:
        return None
    return WantedBase(run.base_model, run.base_revision, run.base_digest)


def _key(request: HoldRequest) -> Path:
    """The key file that makes this peer itself."""
    if request.identity_path is not None:
        return request.identity_path
    if request.stage is None:
        console.misused("say what to hold: --local-stage STAGE, or --identity-path of a spare")
    return key_file(request.directory, request.stage)


def _member(run: SwarmRun, peer_id: str, *, key: Path, stage: str | None) -> Member | None:
    """Who of the run has this key; raises `ConfigError` when that is not who holds `stage`."""
    member = run.member_of(peer_id)
    if member is not None and stage is not None and str(member.stage) != stage:
        raise ConfigError(
            f"key {key} is of {member.name} in this run, not of {stage}; "
            "give the stage's own key, or no --local-stage"
        )
    return member


def _seeds(texts: tuple[str, ...]) -> list[str]:
    return [str(parse_seed(text)) for text in texts]


def _announce(server: Node0Server, request: HoldRequest) -> None:
    if request.metrics_port is not None:
        port = serve_metrics(server.host, request.metrics_port)
        console.note(f"metrics on http://127.0.0.1:{port}/metrics")
    bead = "" if request.bead_id is None else f" for bead {request.bead_id}"
    for address in server.addresses:
        console.note(f"Server started: {server.host.spec.name}{bead} at {address}")
