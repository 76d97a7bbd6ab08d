# SPDX-License-Identifier: Apache-2.0
"""`node0 swarm`: prepare a run over several machines, and look at it."""

import sys
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from node0 import console
from node0.console import JsonOption, TownOption
from node0.errors import ConfigError

if TYPE_CHECKING:
    from node0.finetune.config import FineTuneConfig
    from node0.settings import Resolved
    from node0.swarm.run.create import Line
    from node0.swarm.run.swarm_run import SwarmRun

app = typer.Typer(add_completion=False, no_args_is_help=True, rich_markup_mode=None)
app.callback(help="Prepare a run over several machines, and look at it.")(lambda: None)

NEEDED = ("role", "corpus_path")
TRAINING = "training"
"The trainer's run directory inside the swarm's, where none is named."


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
    config: Annotated[
        str | None, typer.Option("--config", "-c", help="YAML file, or the name of a shipped one.")
    ] = None,
    corpus_path: Annotated[str | None, typer.Option(help="Corpus, or one role's directory in it.")] = None,
    checkpoint_dir: Annotated[
        str | None,
        typer.Option(help="Run directory of the trainer; default: the file's, or training in RUN."),
    ] = None,
    role: Annotated[str | None, typer.Option(help="Role to train for; all takes every role.")] = None,
    base_model: Annotated[str | None, typer.Option(help="Directory or hub id of the base.")] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="Any setting: lora.rank=8. Repeatable.")
    ] = None,
    town: TownOption = None,
    as_json: JsonOption = False,
) -> int:
    """Make a run's directory: run.json, finetune.yaml and a key for each member.

    Prints what to run on which machine. Nothing is overwritten.
    """
    from node0.settings import flag_layer
    from node0.swarm.run.create import create_run, new_run_id, refuse_existing, start_lines
    from node0.swarm.run.layout import first_port, lay_out

    place = run.expanduser().resolve()
    refuse_existing(place)
    flags = flag_layer(
        {
            "corpus_path": corpus_path,
            "checkpoint_dir": checkpoint_dir,
            "role": role,
            "base_model": base_model,
            "num_stages": stages,
        },
        settings or [],
    )
    resolved = _resolve(flags, config=config, town=town, training=place / TRAINING)
    slots = lay_out(
        stages,
        replicas={
            name: _count(name, text)
            for name, text in _pairs(replicas, "--replicas", example="body-1=2").items()
        },
        spares=spares,
        hosts=_pairs(host, "--host", example="body-1=10.0.0.5"),
        start=first_port(str(place)),
    )
    common = _common(resolved.values, run_id=new_run_id(place), wire=wire)
    made = create_run(place, slots, common=common, settings=resolved.to_yaml())
    _show(start_lines(place, made), as_json=as_json)
    return 0


@app.command()
def address(
    run: Annotated[Path, typer.Argument(help="The run's directory, or its run.json.")],
    member: Annotated[str, typer.Argument(help="Stage or other member, as body-1, body-1.2 or trainer.")],
) -> int:
    """Print a member's full addresses: what another peer joins by."""
    from node0.swarm.run.run_file import read_run

    found = read_run(run).member(member).full_addresses
    if not found:
        raise ConfigError(f"{member} listens on a port that the system chooses; it says which when it starts")
    console.write("".join(f"{each}\n" for each in found))
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
    """
    from node0.pipeline.swarm.status import looks, table
    from node0.swarm.run.run_file import read_run

    directory = run.expanduser()
    described = read_run(directory)
    directory = directory.parent if directory.is_file() else directory
    if once or as_json or not sys.stdout.isatty():
        with closing(looks(directory, described, every=1.0)) as found:
            next(found)
            members = next(found)
        console.emit([asdict(each) for each in members] if as_json else table(members), as_json=as_json)
        return 0
    with closing(looks(directory, described, every=every)) as found:
        console.watch(map(table, found), title=described.run_id)
    return 0


def _resolve(
    flags: dict[str, Any], *, config: str | None, town: Path | None, training: Path
) -> "Resolved[FineTuneConfig]":
    """The training settings, every path in them absolute: they are read in other places.

    training: the trainer's run directory, unless flags or the file name one.
    """
    from node0.finetune.training.plan.training_settings import absolute, resolve_training

    missing = [f"--{name.replace('_', '-')}" for name in NEEDED if name not in flags]
    if config is None and missing:
        raise typer.BadParameter(f"missing {', '.join(missing)}; give them, or --config FILE")
    kept = {"checkpoint_dir": str(training)}
    resolved, _ = resolve_training(flags, config=config, town=town, defaults=kept)
    return absolute(resolved)


def _common(config: "FineTuneConfig", *, run_id: str, wire: str) -> "SwarmRun":
    """Everything of run.json but the members."""
    from node0.finetune.training.plan.run_plan import choose_model
    from node0.settings import validate
    from node0.swarm.run.swarm_run import SwarmRun

    tree = {
        "run_id": run_id,
        "local_mode": True,
        "num_stages": config.num_stages,
        "layers_per_stage": config.layers_per_stage,
        "wire": wire,
        "base_model": config.base_model,
        "base_revision": config.base_revision,
    }
    validate(SwarmRun, tree, source="flags")
    return validate(SwarmRun, {**tree, "base_digest": choose_model(config).digest}, source="flags")


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


def _show(lines: "list[Line]", *, as_json: bool) -> None:
    """Each line alone under who runs it where: a table would fold it, and it is there to be copied."""
    if as_json:
        console.emit([line._asdict() for line in lines], as_json=True)
        return
    for line in lines:
        where = f"on {line.machine}, in the home directory" if line.machine else "on this machine"
        console.write(f"# {line.member}, {where}\n{line.command}\n")
