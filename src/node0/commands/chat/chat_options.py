# SPDX-License-Identifier: Apache-2.0
"""`node0 chat`: with which model a person talks, and how its answers are drawn."""

from collections.abc import Sequence
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
    from node0.commands.chat import converse as work
    from node0.finetune.inference import reply
else:
    work = when_called("node0.commands.chat.converse")
    reply = when_called("node0.finetune.inference.reply")

app = command_app()


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; its exit code."""
    return console.run(app, argv, name="node0 chat")


@app.command()
def chat(  # noqa: PLR0913  # one parameter a flag
    model: Annotated[
        str | None, typer.Argument(help="NAME, NAME:VER or NAME@ALIAS, a directory, or an id at --url.")
    ] = None,
    *,
    url: UrlOption = None,
    token_file: AskedTokenOption = None,
    adapters: AdaptersOption = "",
    role: AsRoleOption = None,
    system: Annotated[str, typer.Option(help="System prompt; a role with a card has its own.")] = "",
    temperature: TemperatureOption = 1.0,
    top_p: TopPOption = 0.9,
    top_k: TopKOption = 0,
    max_tokens: MaxTokensOption = 512,
    seed: AnswerSeedOption = None,
    device: DeviceOption = "auto",
    dtype: DtypeOption = "auto",
    town: TownOption = None,
) -> int:
    """Talk with a model: it sees the conversation so far, and /help lists what else can be typed.

    Ctrl-C stops an answer, not the chat; Ctrl-D or /bye leaves. A call of a tool is shown and not run.

    \b
    Example:
      node0 chat deacon:2
    """
    choice = ModelChoice(model, town, names_in(adapters), role, device, dtype, url, token_file)
    choice.check()
    how = reply.Answering(max_tokens=max_tokens, temperature=temperature, top_p=top_p, top_k=top_k, seed=seed)
    return work.converse(lambda: open_model(choice, how), how, system=system)
