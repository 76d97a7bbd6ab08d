# SPDX-License-Identifier: Apache-2.0
"""`node0 swarm`: the options of preparing a run over several machines, and of looking at it."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from node0 import console
from node0.commands.common_options import (
    BaseModelOption,
    ConfigOption,
    CorpusPathOption,
    JsonOption,
    SetOption,
    TownOption,
    TrainedRoleOption,
    command_app,
)
from node0.commands.lazy import when_called

if TYPE_CHECKING:
    from node0.commands.swarm import prepare_run, print_addresses, watch_members
else:
    prepare_run = when_called("node0.commands.swarm.prepare_run", heavy=True)
    print_addresses = when_called("node0.commands.swarm.print_addresses")
    watch_members = when_called("node0.commands.swarm.watch_members", heavy=True)

app = command_app(is_group=True)
app.callback(help="Prepare a run over several machines, and look at it.")(lambda: None)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; its exit code."""
    return console.run(app, argv, name="node0 swarm")


@app.command()
def init(  # noqa: PLR0913  # one parameter a flag
    run: Annotated[Path, typer.Argument(help="Directory to make.")],
    *,
    stages: Annotated[int, typer.Option(min=1, max=999, help="Stages to cut the model into.")],
    replicas: Annotated[
        list[str] | None, typer.Option(help="Members on one stage, as body-1=2. Repeatable.")
    ] = None,
    spares: Annotated[int, typer.Option(min=0, max=999, help="Members that take over a lost stage.")] = 0,
    host: Annotated[
        list[str] | None,
        typer.Option(help="Address of a member, as head-0=10.0.0.5; default: this machine. Repeatable."),
    ] = None,
    wire: Annotated[
        str, typer.Option(help="Type between machines: float32, bfloat16, float16 or int8.")
    ] = "float32",
    config: ConfigOption = None,
    corpus_path: CorpusPathOption = None,
    checkpoint_dir: Annotated[
        str | None,
        typer.Option(help="Run directory of the trainer; default: the file's, or training in RUN."),
    ] = None,
    role: TrainedRoleOption = None,
    base_model: BaseModelOption = None,
    settings: SetOption = None,
    town: TownOption = None,
    as_json: JsonOption = False,
) -> int:
    """Make a run's directory: run.json, finetune.yaml and a key for each member.

    Prints what to run on which machine. Nothing is overwritten.

    \b
    Example:
      node0 swarm init runs/one --stages 2 --role deacon --base-model base
    """
    request = prepare_run.NewRun(
        run.expanduser().resolve(),
        stages=stages,
        replicas={name: _count(name, text) for name, text in _replicas(replicas).items()},
        spares=spares,
        hosts=_pairs(host, "--host", example="body-1=10.0.0.5"),
        wire=wire,
        config=config,
        flags={
            "corpus_path": corpus_path,
            "checkpoint_dir": checkpoint_dir,
            "role": role,
            "base_model": base_model,
            "num_stages": stages,
        },
        settings=tuple(settings or ()),
        town=town,
    )
    prepare_run.prepare_run(request, as_json=as_json)
    return 0


@app.command()
def address(
    run: Annotated[Path, typer.Argument(help="The run's directory, or its run.json.")],
    member: Annotated[str, typer.Argument(help="Stage or other member, as body-1, body-1.2 or trainer.")],
) -> int:
    """Print a member's full addresses: what another peer joins by.

    \b
    Example:
      node0 swarm address runs/one head-0
    """
    print_addresses.print_addresses(run, member)
    return 0


@app.command()
def status(
    run: Annotated[Path, typer.Argument(help="The run's directory.")],
    *,
    once: Annotated[bool, typer.Option("--once", help="Show one table and end.")] = False,
    every: Annotated[float, typer.Option(min=0.5, help="Seconds between looks.")] = 2.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print one look as JSON.")] = False,
) -> int:
    """Show who holds which stage and how far it is, until Ctrl-C; once where nobody watches a terminal.

    A member that does not answer is shown with how long ago it was last heard of.

    \b
    Example:
      node0 swarm status runs/one --once
    """
    watch_members.watch_members(run, every=every, once=once, as_json=as_json)
    return 0


def _replicas(texts: list[str] | None) -> dict[str, str]:
    return _pairs(texts, "--replicas", example="body-1=2")


def _pairs(texts: list[str] | None, flag: str, *, example: str) -> dict[str, str]:
    pairs = {}
    for text in texts or []:
        name, sign, value = text.partition("=")
        if not (name and sign and value):
            raise typer.BadParameter(f"cannot read {flag} {text}; write {flag} {example}")
        if name in pairs:
            raise typer.BadParameter(f"{flag} names {name} twice; give it once")
        pairs[name] = value
    return pairs


def _count(name: str, text: str) -> int:
    if not text.isdecimal() or len(text) > 3:
        raise typer.BadParameter(f"--replicas {name}={text} is no count; write --replicas {name}=2")
    return int(text)
