# SPDX-License-Identifier: Apache-2.0
"""`node0 model`, and `gt-model`: versions of models, what is known of them, and where they are at work."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from node0 import console
from node0.commands.common_options import JsonOption, OfRoleOption, TownOption, command_app
from node0.commands.lazy import when_called

if TYPE_CHECKING:
    from node0.commands.model import (
        deploy_models,
        export_models,
        inspect_models,
        keep_models,
        prime_session,
        shell_function,
        trace_models,
    )
else:
    deploy_models = when_called("node0.commands.model.deploy_models")
    export_models = when_called("node0.commands.model.export_models", heavy=True)
    inspect_models = when_called("node0.commands.model.inspect_models")
    keep_models = when_called("node0.commands.model.keep_models")
    prime_session = when_called("node0.commands.model.prime_session")
    shell_function = when_called("node0.commands.model.shell_function")
    trace_models = when_called("node0.commands.model.trace_models")

app = command_app(
    help="Register models of the town, look at them, put them to work, and take them back.", is_group=True
)

NameArgument = Annotated[
    str, typer.Argument(metavar="NAME[:VER|@ALIAS]", help="The newest version, or that one.")
]
ReasonOption = Annotated[str, typer.Option("--reason", help="Why; kept in the history.")]
RigOption = Annotated[list[str] | None, typer.Option("--rig", help="This rig only. Repeatable.")]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Say what would change, and change nothing.")]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; its exit code."""
    return console.run(app, argv, name="node0 model")


@app.command()
def register(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Run, adapter or model directory.")],
    *,
    name: Annotated[str | None, typer.Option(help="Name of the model; default: its role.")] = None,
    role: Annotated[str | None, typer.Option(help="Role it is for; default: the run's.")] = None,
    in_place: Annotated[bool, typer.Option("--in-place", help="Keep no copy in the town.")] = False,
    town: TownOption = None,
    as_json: JsonOption = False,
) -> None:
    """Keep DIR as the next version of NAME; the same files again are no new version.

    \b
    Example:
      node0 model register ~/gt/.checkpoints/deacon --name deacon
    """
    keep_models.register(directory, town, name=name, role=role, in_place=in_place, as_json=as_json)


@app.command("list")
def list_models(*, role: OfRoleOption = None, town: TownOption = None, as_json: JsonOption = False) -> None:
    """List every version, newest first, with its aliases.

    \b
    Example:
      node0 model list --role deacon
    """
    inspect_models.list_models(town, role=role, as_json=as_json)


@app.command()
def show(
    name: NameArgument,
    *,
    everything: Annotated[bool, typer.Option("--all", help="Its settings and files too.")] = False,
    town: TownOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show one version: where it comes from, how good it is, where it is at work.

    \b
    Example:
      node0 model show deacon:2
    """
    inspect_models.show_model(name, town, everything=everything, as_json=as_json)


@app.command()
def adapters(*, role: OfRoleOption = None, town: TownOption = None, as_json: JsonOption = False) -> None:
    """List the adapters, with base, rank and size.

    \b
    Example:
      node0 model adapters --role deacon
    """
    inspect_models.list_adapters(town, role=role, as_json=as_json)


@app.command()
def deploy(  # noqa: PLR0913  # options of one command
    name: NameArgument,
    *,
    rig: RigOption = None,
    kind: Annotated[
        str, typer.Option("--endpoint", help="What answers: own, vllm, llama-server, sglang or openai.")
    ] = "own",
    url: Annotated[str | None, typer.Option(help="Of the endpoint; its server runs already.")] = None,
    served_as: Annotated[
        str, typer.Option("--model", help="The version's name there; default: NAME:VER.")
    ] = "",
    harness: Annotated[
        str | None,
        typer.Option("--harness", help="What runs it: claude, opencode or pi; default: what the role runs."),
    ] = None,
    force: Annotated[bool, typer.Option("--force-deploy", help="Pass the gate; needs --reason.")] = False,
    reason: ReasonOption = "",
    dry_run: DryRunOption = False,
    town: TownOption = None,
) -> None:
    """Put a version to work for its role, after gate and probe; a failure leaves everything as it was.

    \b
    Example:
      node0 model deploy deacon:2 --dry-run
    """
    chosen = deploy_models.endpoint(kind, url, served_as)
    if dry_run:
        deploy_models.show_plan(name, town, rigs=rig or [], endpoint=chosen, harness=harness)
    else:
        deploy_models.deploy(
            name, town, rigs=rig or [], endpoint=chosen, force=force, reason=reason, harness=harness
        )


@app.command()
def rollback(
    *,
    role: Annotated[str, typer.Option(help="Whose agent goes back.")],
    version: Annotated[
        int | None, typer.Option(min=0, help="To this version; 0 is the agent before ours.")
    ] = None,
    rig: RigOption = None,
    force: Annotated[
        bool, typer.Option("--force", help="Also where the settings were changed since.")
    ] = False,
    reason: ReasonOption = "",
    town: TownOption = None,
) -> None:
    """Take back what is at work for a role: the deployment before it works again.

    \b
    Example:
      node0 model rollback --role deacon --reason 'answers got worse'
    """
    deploy_models.rollback(role, town, version=version, rigs=rig or [], force=force, reason=reason)


@app.command()
def promote(name: NameArgument, *, reason: ReasonOption = "", town: TownOption = None) -> None:
    """Make a version the candidate: NAME@candidate is it from now on.

    \b
    Example:
      node0 model promote deacon:2
    """
    keep_models.promote(name, town, reason=reason)


@app.command()
def prune(
    *,
    role: OfRoleOption = None,
    keep_last: Annotated[int, typer.Option(min=0, help="Newest versions of each name that stay.")] = 3,
    dry_run: DryRunOption = False,
    town: TownOption = None,
    as_json: JsonOption = False,
) -> None:
    """Remove old versions. Active models are always retained. Only archived/flagged versions are pruned.

    \b
    Example:
      node0 model prune --role deacon --keep-last 3 --dry-run
    """
    keep_models.prune(town, role=role, keep_last=keep_last, dry_run=dry_run, as_json=as_json)


@app.command("rm")
def remove(name: NameArgument, *, reason: ReasonOption = "", town: TownOption = None) -> None:
    """Remove one version and its files, unless something needs it.

    \b
    Example:
      node0 model rm deacon:1 --reason 'trained on a retracted entry'
    """
    keep_models.remove(name, town, reason=reason)


@app.command()
def verify(
    name: NameArgument,
    *,
    sign: Annotated[bool, typer.Option("--sign", help="Sign its row, when its files are in order.")] = False,
    town: TownOption = None,
    as_json: JsonOption = False,
) -> int:
    """Check a version's row by its signature and its files by their digests; exit 1 when one differs.

    \b
    Example:
      node0 model verify deacon:2
    """
    return inspect_models.verify(name, town, sign=sign, as_json=as_json)


@app.command()
def history(name: NameArgument, *, town: TownOption = None, as_json: JsonOption = False) -> None:
    """List what happened to a model or to one version: when, who, what and why.

    \b
    Example:
      node0 model history deacon
    """
    inspect_models.history(name, town, as_json=as_json)


@app.command()
def diff(
    first: NameArgument,
    second: Annotated[str, typer.Argument(metavar="OTHER", help="The version to compare with.")],
    *,
    town: TownOption = None,
    as_json: JsonOption = False,
) -> None:
    """List what differs between two versions: lineage, settings, scores and files.

    \b
    Example:
      node0 model diff deacon:1 deacon:2
    """
    inspect_models.diff(first, second, town, as_json=as_json)


@app.command()
def lineage(
    name: Annotated[str | None, typer.Argument(metavar="[NAME[:VER]]", help="Of this version.")] = None,
    *,
    entry: Annotated[str | None, typer.Option(help="Which versions saw this corpus entry.")] = None,
    retracted: Annotated[
        bool, typer.Option("--retracted", help="Which versions saw entries that were retracted since.")
    ] = False,
    town: TownOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show where a version comes from, or which versions learned from a corpus entry.

    \b
    Example:
      node0 model lineage deacon:2
    """
    if name is not None:
        trace_models.lineage(name, town, as_json=as_json)
    elif entry is not None or retracted:
        trace_models.who_saw(entry, town, as_json=as_json)
    else:
        console.misused("give NAME, --entry ID or --retracted")


@app.command()
def note(
    name: NameArgument,
    text: Annotated[str, typer.Argument(help="The remark.")],
    *,
    town: TownOption = None,
) -> None:
    """Write a remark into the history of a version.

    \b
    Example:
      node0 model note deacon:2 'first one on the new base'
    """
    keep_models.note(name, text, town)


@app.command()
def bom(
    name: NameArgument,
    *,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="File; default: stdout.")] = None,
    town: TownOption = None,
) -> None:
    """Write the ML-BOM of a version: CycloneDX 1.6 JSON.

    \b
    Example:
      node0 model bom deacon:2 --output deacon.cdx.json
    """
    trace_models.bom(name, town, output=output)


@app.command("export")
def export_model(
    name: NameArgument,
    output: Annotated[Path, typer.Argument(metavar="OUTPUT", help="File or directory, not there yet.")],
    *,
    format: Annotated[
        str, typer.Option("--format", help="peft, merged, gguf, gguf-adapter or ollama.")
    ] = "gguf",
    quantization: Annotated[
        str | None, typer.Option(help="f32, f16, bf16, q8_0, q4_k_m, ...; default: the format's own.")
    ] = None,
    engine: Annotated[
        Path | None, typer.Option(help="A llama-quantize, or a Python with llama_cpp, for k-quants.")
    ] = None,
    town: TownOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write a version in the form of another program, tested, with the line that serves it.

    \b
    Example:
      node0 model export deacon:2 deacon.gguf --format gguf --quantization q8_0
    """
    export_models.export_model(
        name, output, town, format=format, quantization=quantization, engine=engine, as_json=as_json
    )


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def prime(
    context: typer.Context,
    *,
    hook: Annotated[
        bool, typer.Option("--hook", help="As a harness calls it: its JSON on standard input.")
    ] = False,
) -> int:
    """Run the real gt prime; for an agent whose version is at work, print a short prime in the place of its.

    Any other option of gt prime is passed on, and its words are printed as they are: as they are, too, where
    no version is at work or anything of ours breaks.

    \b
    Example:
      node0 model prime --hook
    """
    return prime_session.prime([*(["--hook"] if hook else []), *context.args])


@app.command("shell-function")
def print_shell_function() -> None:
    """Print a function for bash and zsh with which `gt model` works: eval "$(gt-model shell-function)".

    \b
    Example:
      node0 model shell-function >> ~/.bashrc
    """
    shell_function.print_function()
