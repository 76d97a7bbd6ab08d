# SPDX-License-Identifier: Apache-2.0
"""`node0`: a table of commands, each imported when it is called."""

import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec
from typing import Annotated, NamedTuple

import typer

from node0 import completion as completing
from node0 import console


class Command(NamedTuple):
    """A module with `main(argv) -> int`, and what it is for."""

    module: str
    help: str


COMMANDS = {
    "corpus": Command(
        "node0.commands.corpus.corpus_options", "Collect, scrub, list and show what a town's sessions left."
    ),
    "finetune": Command(
        "node0.commands.finetune.finetune_options", "Train an adapter, or a whole model, on a corpus."
    ),
    "dataset": Command(
        "node0.commands.dataset.dataset_options", "Freeze, show and compare the entries of a training."
    ),
    "measure": Command(
        "node0.commands.measure.measure_options", "Measure a model on sessions that it has not seen."
    ),
    "eval": Command(
        "node0.commands.eval.eval_options", "Evaluate models on a suite, compare them, look at reports."
    ),
    "job": Command(
        "node0.commands.job.job_options", "List training runs and the states that they went through."
    ),
    "model": Command("node0.commands.model.model_options", "Register, list and show the models of a town."),
    "breaker": Command(
        "node0.commands.breaker.breaker_options",
        "Watch deployed versions, and take back one that does badly.",
    ),
    "dpo": Command(
        "node0.commands.dpo.dpo_options", "Compare two versions on a task, and train on the choice."
    ),
    "staleness": Command(
        "node0.commands.staleness.staleness_options",
        "Say which models the town's conventions have left behind.",
    ),
    "town": Command(
        "node0.commands.town.town_options", "Look at a Gas Town, install into it, and take that out again."
    ),
    "store": Command("node0.commands.store.store_options", "Look at the store of a town's models."),
    "rag": Command("node0.commands.rag.rag_options", "Look for what a town's records say."),
    "server": Command("node0.commands.server.server_options", "Hold one stage of a run on this machine."),
    "swarm": Command(
        "node0.commands.swarm.swarm_options", "Prepare a run over several machines, and look at it."
    ),
    "doctor": Command(
        "node0.commands.doctor.doctor_options", "Say what keeps this machine, or a run on it, from working."
    ),
    "infer": Command("node0.commands.infer.infer_options", "Answer prompts from standard input."),
    "chat": Command("node0.commands.chat.chat_options", "Talk with a model on a terminal."),
    "serve": Command("node0.commands.serve.serve_options", "Answer agent harnesses over HTTP."),
    "desk": Command(
        "node0.commands.desk.desk_options", "Show a town in a browser: corpus, review, runs, versions."
    ),
    "completion": Command(
        "node0.commands.completion.completion_options", "Print the completion script of a shell."
    ),
}


HELP = """Turn a Gas Town's own sessions into models for its roles.

\b
Example:
  node0 finetune --role deacon --base-model Qwen/Qwen3-0.6B --dry-run
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Hand over to the named command; its exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if (asked := console.completion(completing.ASKED_BY)) is not None:
        modules = {name: command.module for name, command in available().items()}
        return completing.complete(*asked, listing=_listing, modules=modules)
    name = next((argument for argument in arguments if argument != "--debug"), "")
    if name in available():
        arguments.remove(name)
        return int(import_module(COMMANDS[name].module).main(arguments))
    return console.run(_listing(), arguments, name="node0")


def available() -> dict[str, Command]:
    """The commands whose module is installed."""
    return {name: command for name, command in COMMANDS.items() if find_spec(command.module)}


def _listing() -> typer.Typer:
    """An app that knows the commands by name only: for --help, --version and misspelt names."""
    app = typer.Typer(add_completion=False, no_args_is_help=True, rich_markup_mode=None)
    app.callback(help=HELP)(_options)
    for name, command in available().items():
        app.command(name, help=command.help)(lambda: None)
    return app


def _options(
    *,
    show_version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=lambda on: on and _show_version())
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks; any command takes it.")] = False,
) -> None:
    """Options of `node0` itself; `console.run` has already taken --debug."""


def _show_version() -> None:
    console.write(f"gastown-finetune {version('gastown-finetune')}\n")
    raise typer.Exit
