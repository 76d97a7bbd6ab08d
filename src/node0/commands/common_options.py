# SPDX-License-Identifier: Apache-2.0
"""Options that several commands take, and the typer app that holds a command."""

from pathlib import Path
from typing import Annotated

import typer

from node0.finetune.role import Role

TownOption = Annotated[
    Path | None, typer.Option("--town", help="Root of the town; default: found from here.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]

RagDirOption = Annotated[
    Path | None, typer.Option("--rag-dir", help="Directory of the index; default: the town's, .rag.")
]
ModelOption = Annotated[
    str | None,
    typer.Option(
        "--model", "-m", help="NAME or NAME:VER of the registry, or a directory; or an id at --url."
    ),
]
UrlOption = Annotated[
    str | None, typer.Option("--url", help="Ask this server, ours or another that speaks OpenAI's protocol.")
]
AskedTokenOption = Annotated[
    Path | None, typer.Option("--token-file", help="File with the token that the server at --url wants.")
]

AdaptersOption = Annotated[
    str,
    typer.Option("--adapters", help="Adapters to add: directories or registered names, with commas."),
]
AsRoleOption = Annotated[str | None, typer.Option("--role", help="Role to answer as; default: the model's.")]
TemperatureOption = Annotated[float, typer.Option("--temperature", help="0 is greedy.")]
TopPOption = Annotated[float, typer.Option("--top-p", help="Draw from the likeliest tokens of this mass.")]
TopKOption = Annotated[int, typer.Option("--top-k", help="Draw from this many likeliest tokens; 0 is off.")]
MaxTokensOption = Annotated[int, typer.Option("--max-tokens", min=1, help="Longest answer, in tokens.")]
AnswerSeedOption = Annotated[int | None, typer.Option("--seed", help="Makes answers repeatable.")]


def known_roles(incomplete: str) -> list[str]:
    """The roles of Gas Town that begin so, for a shell that completes."""
    return [role.value for role in Role if role.value.startswith(incomplete)]


OfRoleOption = Annotated[
    str | None, typer.Option("--role", help="Of this role only.", autocompletion=known_roles)
]
DeviceOption = Annotated[str, typer.Option("--device", help="auto, cpu, cuda or mps.")]
DtypeOption = Annotated[str, typer.Option("--dtype", help="auto, float32 or bfloat16.")]
BaseModelOption = Annotated[str | None, typer.Option("--base-model", help="Directory or hub id of the base.")]

ConfigOption = Annotated[
    str | None, typer.Option("--config", "-c", help="YAML file, or the name of a shipped one.")
]
CorpusPathOption = Annotated[
    str | None,
    typer.Option("--corpus-path", help="Corpus, or one role's directory in it; default: the town's."),
]
TrainedRoleOption = Annotated[
    str | None,
    typer.Option("--role", help="Role to train for; all takes every role.", autocompletion=known_roles),
]
SetOption = Annotated[list[str] | None, typer.Option("--set", help="Any setting: lora.rank=8. Repeatable.")]


def command_app(*, help: str | None = None, is_group: bool = False) -> typer.Typer:
    """An app for one command, or for a group of them, whose help is plain text."""
    app = typer.Typer(no_args_is_help=is_group, add_completion=False, rich_markup_mode=None)
    # Not through the constructor: there None hides the docstring of a callback.
    if help is not None:
        app.info.help = help
    return app


def names_in(text: str) -> tuple[str, ...]:
    """Names between commas; empty ones are none."""
    return tuple(name for part in text.split(",") if (name := part.strip()))
