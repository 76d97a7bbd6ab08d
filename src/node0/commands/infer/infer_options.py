# SPDX-License-Identifier: Apache-2.0
"""`node0-inference`: prompts on stdin, answers streamed on stdout."""

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

from node0 import console
from node0.console import TownOption
from node0.errors import NotFound

if TYPE_CHECKING:
    from node0.finetune.inference.loading import LoadedModel
    from node0.finetune.inference.prompt_api import Answering

app = typer.Typer(add_completion=False, rich_markup_mode=None)

STDIN = "-"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; its exit code."""
    return console.run(app, argv, name="node0-inference")


@app.command()
def infer(  # noqa: PLR0913  one parameter a flag
    *,
    model: Annotated[
        str, typer.Option("--model", "-m", help="NAME or NAME:VER of the registry, or a directory.")
    ],
    adapters: Annotated[
        str, typer.Option(help="Adapters to add: directories or registered names, with commas.")
    ] = "",
    role: Annotated[str | None, typer.Option(help="Role to answer as; default: the model's.")] = None,
    raw: Annotated[bool, typer.Option("--raw", help="Continue the text itself; no chat template.")] = False,
    file: Annotated[
        str | None, typer.Option(help="Take one prompt from this file; - is all of stdin.")
    ] = None,
    temperature: Annotated[float, typer.Option(help="0 is greedy.")] = 1.0,
    top_p: Annotated[float, typer.Option(help="Draw from the likeliest tokens of this mass.")] = 0.9,
    top_k: Annotated[int, typer.Option(help="Draw from this many likeliest tokens; 0 is off.")] = 0,
    max_tokens: Annotated[int, typer.Option(min=0, help="Longest answer, in tokens.")] = 512,
    seed: Annotated[int | None, typer.Option(help="Makes answers repeatable.")] = None,
    stop: Annotated[
        list[str] | None, typer.Option(help="End an answer before this text; repeatable.")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    dtype: Annotated[str, typer.Option(help="auto, float32 or bfloat16.")] = "auto",
    town: TownOption = None,
) -> int:
    """Answer prompts: one a line on stdin, each answer streamed to stdout as it comes.

    Ends with the end of stdin. Ctrl-C leaves with 130.
    """
    source, sink = _streams()
    prompts = _prompts(source, file)
    from node0.finetune.inference.generator import sampling_params
    from node0.finetune.inference.loading import load_model
    from node0.finetune.inference.prompt_api import Answering

    sampling_params(temperature, top_p, top_k, seed)
    how = Answering(
        max_tokens=max_tokens,
        temperature=temperature,
        top_p=top_p,
        top_k=top_k,
        seed=seed,
        stop=tuple(stop or ()),
    )
    names = [name for name in adapters.split(",") if name]
    loaded = load_model(model, town=town, adapters=names, role=role, device=device, dtype=dtype)
    if file is None and sys.stdin is not None and sys.stdin.isatty():
        console.note(f"{loaded.name} listens: type a prompt and press Enter; Ctrl-D ends")
    return _serve(loaded, prompts, sink, how, raw=raw)


def _serve(
    loaded: "LoadedModel", prompts: Iterable[str], sink: TextIO, how: "Answering", *, raw: bool
) -> int:
    from node0.finetune.inference.prompt_api import PromptAPI

    encode = loaded.encode_text if raw else loaded.encode_chat
    api = PromptAPI(loaded.generator(), encode=encode, decode=loaded.decode, how=how)
    try:
        return 1 if api.serve(prompts, sink) else 0
    finally:
        loaded.pipeline.close()


def _streams() -> tuple[Iterable[str], TextIO]:
    if sys.stdin is None:
        return (), sys.stdout
    for stream, errors in ((sys.stdin, "replace"), (sys.stdout, "strict")):
        stream.reconfigure(encoding="utf-8", errors=errors)  # type: ignore[union-attr]  # real files both
    return sys.stdin, sys.stdout


def _prompts(source: Iterable[str], file: str | None) -> Iterable[str]:
    from node0.finetune.inference.prompt_api import prompts_by_line

    if file is None:
        return prompts_by_line(source)
    text = "".join(source) if file == STDIN else _read(Path(file))
    return [text] if text.strip() else []


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        raise NotFound(f"cannot read the prompt from {path}: {reason}; check the path") from None
