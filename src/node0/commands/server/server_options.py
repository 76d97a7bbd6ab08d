# SPDX-License-Identifier: Apache-2.0
"""`node0 server`: which stage this machine holds, how it is reached, and who may train it."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from node0 import console
from node0.commands.common_options import BaseModelOption, DeviceOption, command_app
from node0.commands.lazy import when_called
from node0.commands.server.stop_signal import StopSignal

if TYPE_CHECKING:
    from node0.commands.server import hold_stage as work
else:
    work = when_called("node0.commands.server.hold_stage", heavy=True)

app = command_app()


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
    base_model: BaseModelOption = None,
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
    device: DeviceOption = "auto",
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

    \b
    Example:
      node0 server --run runs/one --local-stage head-0
    """
    stop = StopSignal(parent)
    if run is not None and run_config is not None:
        raise typer.BadParameter("--run and --run-config both name a run; give one")
    request = work.HoldRequest(
        directory=(run or (run_config.parent if run_config else Path())).expanduser(),
        run_file=run or run_config,
        local_mode=local_mode,
        stage=local_stage,
        base_model=base_model,
        initial_peers=tuple(initial_peers or ()),
        host_maddrs=tuple(host_maddrs or ()),
        announce_maddrs=tuple(announce_maddrs or ()),
        identity_path=identity_path,
        finetune_config=finetune_config,
        allow_peers=tuple(allow_peer or ()),
        bead_id=bead_id,
        device=device,
        threads=threads,
        metrics_port=metrics_port,
    )
    work.hold_stage(request, stop)
    return 0
