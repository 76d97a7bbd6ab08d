# SPDX-License-Identifier: Apache-2.0
"""`node0-finetune`: on what and how a role's model is trained, and what becomes of it."""

import signal
import sys
from collections.abc import Sequence
from contextlib import nullcontext
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
from node0.swarm.transport.guard import die_with_parent

if TYPE_CHECKING:
    from node0.commands.finetune import remote_flags, train_role, training_request, typed_flags
    from node0.finetune.training.engines import cluster
else:
    remote_flags = when_called("node0.commands.finetune.remote_flags")
    train_role = when_called("node0.commands.finetune.train_role", heavy=True)
    training_request = when_called("node0.commands.finetune.training_request")
    typed_flags = when_called("node0.commands.finetune.typed_flags")
    cluster = when_called("node0.finetune.training.engines.cluster")

app = command_app()


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; its exit code."""
    if console.is_rank():
        # As after Ctrl-C when torchrun itself is killed: it then ends none of its ranks.
        die_with_parent(signal.SIGTERM)
    job = console.torchrun()
    within = nullcontext() if job is None else cluster.report_once(job)
    arguments = list(sys.argv[1:] if argv is None else argv)
    if "--help" not in arguments:
        arguments = typed_flags.as_settings(arguments, _own_flags())
    return console.run(app, arguments, name="node0-finetune", within=within)


def _own_flags() -> set[str]:
    return {flag for parameter in typer.main.get_command(app).params for flag in parameter.opts}


@app.command()
def finetune(  # noqa: PLR0913  # one parameter a flag
    *,
    config: ConfigOption = None,
    corpus_path: CorpusPathOption = None,
    checkpoint_dir: Annotated[
        str | None, typer.Option(help="Run directory; default: the role's in the town's .checkpoints.")
    ] = None,
    role: TrainedRoleOption = None,
    base_model: BaseModelOption = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda or mps.")] = None,
    lr: Annotated[float | None, typer.Option(help="Peak learning rate.")] = None,
    epochs: Annotated[float | None, typer.Option(help="Passes over the data.")] = None,
    batch_tokens: Annotated[
        int | None, typer.Option(help="Tokens that pass the model at once: lower takes less memory.")
    ] = None,
    lora_rank: Annotated[
        int | None, typer.Option(help="Rank of the adapter; its alpha is twice that unless set.")
    ] = None,
    max_length: Annotated[int | None, typer.Option(help="Longest row, in tokens.")] = None,
    report_to: Annotated[
        str | None, typer.Option(help="Trackers that are told of each step: wandb, mlflow, tensorboard.")
    ] = None,
    settings: SetOption = None,
    run_config: Annotated[str | None, typer.Option(help="run.json; beats the YAML file.")] = None,
    resume: Annotated[str, typer.Option(help="auto, never, or a run or state directory.")] = "auto",
    stop_after: Annotated[
        int | None, typer.Option(min=1, help="Save and leave after this step; a later call goes on.")
    ] = None,
    register: Annotated[
        str | None, typer.Option(help="Register the result in the town under this name.")
    ] = None,
    bead_id: Annotated[
        str | None, typer.Option(help="The bead that asked for this run; see: node0 job show BEAD.")
    ] = None,
    town: TownOption = None,
    local_mode: Annotated[
        bool, typer.Option("--local-mode", help="Train in this process, without authorization.")
    ] = False,
    local_stage: Annotated[
        str | None, typer.Option(help="This machine's stage, as head-0; a single process runs all.")
    ] = None,
    swarm: Annotated[bool, typer.Option("--swarm", help="Train over the running stages of a swarm.")] = False,
    run: Annotated[Path | None, typer.Option(help="The swarm's directory, made by node0 swarm init.")] = None,
    initial_peers: Annotated[
        list[str] | None, typer.Option(help="Full address of a running stage to join by. Repeatable.")
    ] = None,
    local_swarm: Annotated[
        int | None, typer.Option(min=1, help="Start so many stages as processes of this machine.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be done; write nothing.")
    ] = False,
    print_settings: Annotated[
        bool, typer.Option("--print-settings", help="Show every setting and who set it.")
    ] = False,
    as_json: JsonOption = False,
) -> int:
    """Train, and leave weights, card and metrics in the run directory.

    Settings come from flags, then run.json, then the YAML file, then defaults; any of them may be typed
    as a flag, also by the name that other trainers give it, as --learning_rate. Running the same command
    again goes on where the last one stopped.

    \b
    Example:
      node0 finetune --role deacon --base-model Qwen/Qwen3-0.6B --dry-run
    """
    request = training_request.TrainingRequest(
        flags={
            "corpus_path": corpus_path,
            "checkpoint_dir": checkpoint_dir,
            "role": role,
            "base_model": base_model,
            "device": device,
            "num_stages": local_swarm,
            "lr": lr,
            "epochs": epochs,
            "tokens_per_microbatch": batch_tokens,
            "lora.rank": lora_rank,
            "max_length": max_length,
            "report_to": report_to,
        },
        settings=tuple(settings or ()),
        config=config,
        run_config=run_config,
        town=town,
        remote=remote_flags.RemoteFlags(swarm, run, tuple(initial_peers or ()), local_swarm),
        resume=resume,
        stop_after=stop_after,
        register=register,
        bead_id=bead_id,
        local_mode=local_mode,
        local_stage=local_stage,
    )
    resolved = training_request.resolve(request)
    if print_settings:
        training_request.print_settings(resolved, as_json=as_json)
    elif dry_run:
        train_role.show_plan(request, resolved, as_json=as_json)
    else:
        train_role.train(request, resolved, as_json=as_json)
    return 0
