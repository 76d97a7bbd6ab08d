# SPDX-License-Identifier: Apache-2.0
"""`node0 eval`: evaluate models on a suite, compare them, look at reports."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from node0 import console
from node0.commands.common_options import (
    DeviceOption,
    DtypeOption,
    JsonOption,
    MaxTokensOption,
    TownOption,
    command_app,
)
from node0.commands.lazy import when_called

if TYPE_CHECKING:
    from node0.commands.eval import compare_versions, export_suite, follow_run, run_suite
    from node0.finetune.eval.running import eval_runner
else:
    compare_versions = when_called("node0.commands.eval.compare_versions")
    export_suite = when_called("node0.commands.eval.export_suite")
    follow_run = when_called("node0.commands.eval.follow_run", heavy=True)
    run_suite = when_called("node0.commands.eval.run_suite", heavy=True)
    eval_runner = when_called("node0.finetune.eval.running.eval_runner")

app = command_app(help="Evaluate models on a suite, compare them, look at reports.", is_group=True)

ReportArgument = Annotated[
    str, typer.Argument(metavar="NAME", help="A version that was evaluated, or the directory of a report.")
]
AgainstOption = Annotated[
    str | None, typer.Option("--against", help="Show this version's or directory's report beside it.")
]

SuiteOption = Annotated[
    Path | None, typer.Option(help="promptfoo's YAML, or a directory of items; default: the shipped suite.")
]
CategoryOption = Annotated[list[str] | None, typer.Option(help="Of this category only. Repeatable.")]
ItemsOfRoleOption = Annotated[str | None, typer.Option("--role", help="Items of this role only.")]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; its exit code."""
    return console.run(app, argv, name="node0 eval")


@app.command("run")
def run_model(  # noqa: PLR0913  # one parameter a flag
    model: Annotated[
        str, typer.Argument(help="Registered name, directory of a run or a base, or a name at --url.")
    ],
    *,
    suite: SuiteOption = None,
    category: CategoryOption = None,
    role: ItemsOfRoleOption = None,
    epochs: Annotated[int, typer.Option(min=1, help="Trials of each item.")] = 5,
    seed: Annotated[int, typer.Option(help="Decides every answer that is drawn.")] = 0,
    temperature: Annotated[float, typer.Option(min=0, help="0 is greedy; needs --epochs 1.")] = 1.0,
    max_tokens: MaxTokensOption = 1024,
    concurrency: Annotated[int, typer.Option(min=1, max=64, help="Trials at once.")] = 2,
    url: Annotated[
        str | None, typer.Option(help="Ask MODEL at this address by /v1/messages instead.")
    ] = None,
    token_file: Annotated[Path | None, typer.Option(help="File with the key for --url.")] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Directory; default: in the town. Goes on there.")
    ] = None,
    against: AgainstOption = None,
    replay: Annotated[
        Path | None, typer.Option(help="Also answer the sessions that the run in this directory held out.")
    ] = None,
    replay_limit: Annotated[
        int | None, typer.Option(min=1, help="At most this many recorded calls, evenly spread.")
    ] = None,
    replay_only: Annotated[
        bool, typer.Option("--replay-only", help="Answer those sessions alone, and no suite.")
    ] = False,
    store: Annotated[
        bool, typer.Option("--store/--no-store", help="Keep it with the version, where MODEL is registered.")
    ] = True,
    device: DeviceOption = "auto",
    dtype: DtypeOption = "auto",
    town: TownOption = None,
    as_json: JsonOption = False,
) -> None:
    """Try every item of a suite several times, and write a report in JSON and as a page.

    An interrupted run goes on where it was when the same command is given again. Beside the model stand
    null models, whose answers need no understanding.

    \b
    Example:
      node0 eval run deacon:2 --against deacon:1
    """
    if temperature == 0 and epochs > 1:
        console.misused("--temperature 0 gives every trial of an item the same answer; add --epochs 1")
    if replay_only and (replay is None or suite or category or role):
        console.misused("--replay-only needs --replay RUN, and neither --suite, --category nor --role")
    trying = eval_runner.Trying(epochs, seed, temperature, max_tokens, concurrency)
    request = run_suite.EvalRequest(
        model,
        suite,
        trying,
        categories=tuple(category or ()),
        role=role,
        url=url,
        token_file=token_file,
        output=output,
        against=against,
        replay=replay,
        replay_limit=replay_limit,
        replay_only=replay_only,
        store=store,
        device=device,
        dtype=dtype,
        town=town,
    )
    run_suite.run_suite(request, as_json=as_json)


@app.command()
def follow(  # noqa: PLR0913  # one parameter a flag
    run: Annotated[Path, typer.Argument(help="Directory of a run that trains an adapter.")],
    *,
    suite: SuiteOption = None,
    role: ItemsOfRoleOption = None,
    every: Annotated[int, typer.Option(min=1, help="Only checkpoints of steps that are a multiple.")] = 1,
    epochs: Annotated[int, typer.Option(min=1, help="Trials of each item.")] = 5,
    seed: Annotated[int, typer.Option(help="Decides every answer that is drawn.")] = 0,
    temperature: Annotated[float, typer.Option(min=0, help="0 is greedy; needs --epochs 1.")] = 1.0,
    max_tokens: MaxTokensOption = 1024,
    concurrency: Annotated[int, typer.Option(min=1, max=64, help="Trials at once.")] = 2,
    seconds: Annotated[float, typer.Option(min=0.1, help="Between two looks at the run.")] = 10.0,
    device: DeviceOption = "auto",
    dtype: DtypeOption = "auto",
    town: TownOption = None,
    as_json: JsonOption = False,
) -> None:
    """Evaluate the newest checkpoint of a run again and again while it trains, until it has ended.

    Training waits for nothing: a checkpoint that is gone or outdone before its turn is passed over. Reports
    lie in the run's directory, below evals. The same command goes on where it was interrupted.

    \b
    Example:
      node0 eval follow ~/gt/.checkpoints/deacon --every 100
    """
    if temperature == 0 and epochs > 1:
        console.misused("--temperature 0 gives every trial of an item the same answer; add --epochs 1")
    trying = eval_runner.Trying(epochs, seed, temperature, max_tokens, concurrency)
    request = follow_run.FollowRequest(
        run, suite, trying, role=role, every=every, seconds=seconds, device=device, dtype=dtype, town=town
    )
    follow_run.follow_run(request, as_json=as_json)


@app.command()
def compare(
    old: ReportArgument,
    new: ReportArgument,
    *,
    page: Annotated[Path | None, typer.Option(help="Write both side by side into this HTML file.")] = None,
    town: TownOption = None,
    as_json: JsonOption = False,
) -> int:
    """Compare two evaluations of one suite on the items that both did; exit 3 where a category fell.

    \b
    Example:
      node0 eval compare deacon:1 deacon:2 --page compare.html
    """
    return compare_versions.compare_versions(old, new, town, page=page, as_json=as_json)


@app.command()
def report(
    name: ReportArgument,
    *,
    against: AgainstOption = None,
    town: TownOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print a report; of a directory, its page is written again.

    \b
    Example:
      node0 eval report deacon:2 --against deacon:1
    """
    compare_versions.show_report(name, town, against=against, as_json=as_json)


@app.command()
def export(
    *,
    inspect: Annotated[
        Path, typer.Option(help="New directory for a task file of inspect-ai and its datasets.")
    ],
    suite: Annotated[
        Path | None, typer.Option(help="A directory of items; default: the shipped suite.")
    ] = None,
    category: CategoryOption = None,
    role: ItemsOfRoleOption = None,
) -> None:
    """Write a suite as tasks that inspect-ai runs, judged by the same checks in the same sandbox.

    \b
    Example:
      node0 eval export --inspect tasks --role deacon
    """
    export_suite.export_for_inspect(inspect, suite, categories=tuple(category or ()), role=role)


@app.command("list")
def list_evaluations(*, town: TownOption = None, as_json: JsonOption = False) -> None:
    """List what was evaluated in this town, also what is unfinished.

    \b
    Example:
      node0 eval list
    """
    compare_versions.show_evaluations(town, as_json=as_json)
