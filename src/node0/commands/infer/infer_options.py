# SPDX-License-Identifier: Apache-2.0
"""`node0-inference`: which model answers the prompts on stdin, and how its answers are drawn."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from node0 import console
from node0.commands.common_options import (
    AdaptersOption,
    AnswerSeedOption,
    AskedTokenOption,
    AsRoleOption,
    DeviceOption,
    DtypeOption,
    MaxTokensOption,
    ModelOption,
    TemperatureOption,
    TopKOption,
    TopPOption,
    TownOption,
    UrlOption,
    command_app,
    names_in,
)
from node0.commands.infer.model_choice import ModelChoice
from node0.commands.infer.open_model import open_model
from node0.commands.lazy import when_called

if TYPE_CHECKING:
    from node0.commands.infer import answer_prompts as work
    from node0.finetune.inference import reply
else:
    work = when_called("node0.commands.infer.answer_prompts")
    reply = when_called("node0.finetune.inference.reply")

app = command_app()


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; its exit code."""
    return console.run(app, argv, name="node0-inference")


@app.command()
def infer(  # noqa: PLR0913  # one parameter a flag
    *,
    model: ModelOption = None,
    url: UrlOption = None,
    token_file: AskedTokenOption = None,
    adapters: AdaptersOption = "",
    role: AsRoleOption = None,
    raw: Annotated[bool, typer.Option("--raw", help="Continue the text itself; no chat template.")] = False,
    file: Annotated[
        str | None, typer.Option(help="Take one prompt from this file; - is all of stdin.")
    ] = None,
    as_json: Annotated[
        bool,
        typer.Option("--json", help='JSON lines: {"prompt": ...} in, {"answer": ...} or {"error": ...} out.'),
    ] = False,
    temperature: TemperatureOption = 1.0,
    top_p: TopPOption = 0.9,
    top_k: TopKOption = 0,
    max_tokens: MaxTokensOption = 512,
    seed: AnswerSeedOption = None,
    stop: Annotated[
        list[str] | None, typer.Option(help="End an answer before this text; repeatable.")
    ] = None,
    rag_dir: Annotated[
        Path | None, typer.Option("--rag-dir", help="Index whose excerpts each prompt is given.")
    ] = None,
    device: DeviceOption = "auto",
    dtype: DtypeOption = "auto",
    town: TownOption = None,
) -> int:
    """Answer prompts: one a line on stdin, each answer streamed to stdout as it comes.

    Ends with the end of stdin: with 0, or with 1 when a prompt could not be answered; the others are
    answered all the same. Ctrl-C leaves with 130.

    \b
    Example:
      echo 'Look at rust.' | node0 infer --model deacon:2
    """
    if raw and rag_dir is not None:
        console.misused("--raw continues the text itself; leave --rag-dir out")
    added = names_in(adapters)
    choice = ModelChoice(model, town, added, role, device, dtype, url, token_file, rag_dir)
    choice.check()
    how = reply.Answering(
        max_tokens=max_tokens,
        temperature=temperature,
        top_p=top_p,
        top_k=top_k,
        seed=seed,
        stop=tuple(stop or ()),
    )
    form = work.PromptForm(file=file, raw=raw, as_json=as_json)
    return work.answer_prompts(lambda: open_model(choice, how), how, form)
