# SPDX-License-Identifier: Apache-2.0
"""`node0 server`: hold one stage of a run on this machine."""

import os
import signal
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any

import typer

from node0 import console
from node0.errors import ConfigError

if TYPE_CHECKING:
    from node0.finetune.config import FineTuneConfig
    from node0.server.node0_server import Node0Server
    from node0.swarm.run.swarm_run import SwarmRun

app = typer.Typer(add_completion=False, rich_markup_mode=None)

WARNING = "WARNING: running in local mode: no external auth. NOT for production."


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; its exit code."""
    return console.run(app, argv, name="node0 server")


@app.command()
def server(  # noqa: PLR0913  # one parameter a flag
    *,
    run: Annotated[Path | None, typer.Option(help="A run's directory, as node0 swarm init makes it.")] = None,
    run_config: Annotated[Path | None, typer.Option(help="run.json alone, without its directory.")] = None,
    local_mode: Annotated[
        bool, typer.Option("--local-mode", help="The allow-list of peers alone decides who may join.")
    ] = False,
    local_stage: Annotated[
        str | None, typer.Option(help="Stage to hold, as head-0, body-1, tail-2; none: a spare.")
    ] = None,
    base_model: Annotated[str | None, typer.Option(help="Directory or hub id of the base.")] = None,
    initial_peers: Annotated[
        list[str] | None, typer.Option(help="Full address of a peer to join by. Repeatable.")
    ] = None,
    host_maddrs: Annotated[
        list[str] | None, typer.Option(help="Where to listen, as /ip4/0.0.0.0/tcp/4100. Repeatable.")
    ] = None,
    announce_maddrs: Annotated[
        list[str] | None, typer.Option(help="How others reach this machine. Repeatable.")
    ] = None,
    identity_path: Annotated[
        Path | None, typer.Option(help="Key file of this peer; default: the stage's in the run.")
    ] = None,
    finetune_config: Annotated[
        str | None, typer.Option(help="YAML of the training; builds the stage before a trainer comes.")
    ] = None,
    allow_peer: Annotated[
        list[str] | None, typer.Option(help="Peer id that may join, and train, beside the run's. Repeatable.")
    ] = None,
    bead_id: Annotated[
        str | None, typer.Option(help="The bead that asked for this run; logged and announced.")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    threads: Annotated[
        int | None, typer.Option(min=1, help="Processor threads; default: as many as torch takes.")
    ] = None,
    metrics_port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Serve Prometheus metrics on loopback.")
    ] = None,
    parent: Annotated[int | None, typer.Option(hidden=True, help="Process to end with.")] = None,
) -> int:
    """Hold a stage until SIGTERM or Ctrl-C.

    Everything that a flag does not say comes from the run's run.json.
    """
    ended = _End(parent)
    described = _described(run, run_config)
    authorizer = _admit(described, local_mode=local_mode)
    held = _Flags(
        stage=local_stage,
        base_model=base_model,
        initial_peers=initial_peers,
        host_maddrs=host_maddrs,
        announce_maddrs=announce_maddrs,
        identity_path=identity_path,
        allow_peer=_peer_ids(allow_peer),
        authorizer=authorizer,
        bead_id=bead_id,
    )
    serving = _start(
        described,
        held,
        directory=(run or (run_config.parent if run_config else Path())).expanduser(),
        finetune_config=_training(finetune_config),
        device=_device(device, threads),
    )
    try:
        if metrics_port is not None:
            from node0.server.host.prometheus import serve_metrics

            port = serve_metrics(serving.host, metrics_port)
            console.note(f"metrics on http://127.0.0.1:{port}/metrics")
        for address in serving.addresses:
            console.note(f"Server started: {serving.host.spec.name}{_for_bead(bead_id)} at {address}")
        ended.wait()
    finally:
        serving.shutdown()
    return 0


@dataclass(frozen=True, slots=True)
class _Flags:
    """What the command line says; None where it is silent."""

    stage: str | None
    base_model: str | None
    initial_peers: list[str] | None
    host_maddrs: list[str] | None
    announce_maddrs: list[str] | None
    identity_path: Path | None
    allow_peer: list[str]
    authorizer: Any | None
    bead_id: str | None


class _End:
    """SIGTERM, which ends the start at once and later the wait."""

    def __init__(self, parent: int | None) -> None:
        self._came, self._waiting = threading.Event(), False
        signal.signal(signal.SIGTERM, self._ask)
        if parent is not None:
            from node0.swarm.transport.guard import die_with_parent

            die_with_parent(signal.SIGTERM)
            if os.getppid() != parent:
                console.leave(0)

    def wait(self) -> None:
        """Until it comes."""
        self._waiting = True
        self._came.wait()

    def _ask(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self._came.set()
        if not self._waiting:
            console.leave(0)


def _for_bead(bead_id: str | None) -> str:
    return "" if bead_id is None else f" for bead {bead_id}"


def _described(run: Path | None, run_config: Path | None) -> "SwarmRun":
    from node0.swarm.run.run_file import read_run
    from node0.swarm.run.swarm_run import SwarmRun

    if run is not None and run_config is not None:
        raise typer.BadParameter("--run and --run-config both name a run; give one")
    path = run or run_config
    return SwarmRun() if path is None else read_run(path.expanduser())


def _admit(described: "SwarmRun", *, local_mode: bool) -> Any | None:
    from node0.swarm.run.run_file import authorizer_of

    authorizer = authorizer_of(described, local_mode=local_mode)
    if authorizer is None:
        console.note(WARNING)
    return authorizer


def _training(name: str | None) -> "FineTuneConfig | None":
    if name is None:
        return None
    from node0.finetune.training.plan.training_settings import resolve_training

    resolved, _ = resolve_training({}, config=name)
    return resolved.values


def _device(name: str, threads: int | None) -> str:
    import torch

    from node0.finetune.training.plan.precision import pick_device

    if threads is not None:
        torch.set_num_threads(threads)
    return str(pick_device(name))


def _start(
    described: "SwarmRun",
    flags: _Flags,
    *,
    directory: Path,
    finetune_config: "FineTuneConfig | None",
    device: str,
) -> "Node0Server":
    from node0.server.node0_server import Node0Server
    from node0.swarm.run.identity import read_identity
    from node0.swarm.run.run_file import key_file
    from node0.swarm.transport.sockets import socket_directory

    if flags.stage is not None:
        _refuse_unknown(described, flags.stage)
    identity_path = flags.identity_path
    if identity_path is None:
        if flags.stage is None:
            raise typer.BadParameter("say what to hold: --local-stage STAGE, or --identity-path of a spare")
        identity_path = key_file(directory, flags.stage)
    peer_id = read_identity(identity_path).peer_id
    member = described.member_of(peer_id)
    if member is not None and flags.stage is not None and str(member.stage) != flags.stage:
        raise ConfigError(
            f"key {identity_path} is of {member.name} in this run, not of {flags.stage}; "
            "give the stage's own key, or no --local-stage"
        )
    config = member.config if member is not None else None
    stage = flags.stage or (str(member.stage) if member is not None and member.stage else None)
    return Node0Server.create(
        stage=stage,
        num_stages=described.num_stages,
        run_id=described.run_id,
        identity_path=identity_path,
        socket_dir=socket_directory(directory, member.name if member is not None else peer_id[-12:]),
        name=member.name if member is not None else stage,
        layers_per_stage=described.layers_per_stage,
        base_model=flags.base_model or described.base_model,
        base_revision=None if flags.base_model else described.base_revision,
        base_digest=described.base_digest,
        finetune_config=finetune_config,
        authorizer=flags.authorizer,
        initial_peers=_seeds(flags.initial_peers) or described.seeds(but=peer_id),
        host_maddrs=flags.host_maddrs or (config.host_maddrs if config else ("/ip4/127.0.0.1/tcp/0",)),
        announce_maddrs=flags.announce_maddrs or (config.announce_maddrs if config else ()),
        allow_peers=described.allowed | frozenset(flags.allow_peer) | {peer_id},
        leaders=described.leaders | frozenset(flags.allow_peer),
        wire=described.wire,
        deadline=described.deadlines.microbatch,
        device=device,
        checkpoint_dir=directory / "checkpoints" / (member.name if member is not None else peer_id[-12:]),
        bead_id=flags.bead_id,
    )


def _refuse_unknown(described: "SwarmRun", stage: str) -> None:
    from node0.models.stage_name import StageName

    StageName.parse(stage, num_stages=described.num_stages)
    if described.members:
        described.member(stage)


def _seeds(texts: list[str] | None) -> list[str]:
    from node0.swarm.run.address import parse_seed

    return [str(parse_seed(text)) for text in texts or []]


def _peer_ids(texts: list[str] | None) -> list[str]:
    from node0.swarm.run.address import check_peer_id

    return [check_peer_id(text) for text in texts or []]
