# SPDX-License-Identifier: Apache-2.0
"""`node0 serve`: which models are offered over HTTP, by which engine, and to whom."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from node0 import console
from node0.commands.common_options import DeviceOption, DtypeOption, TownOption, command_app, names_in
from node0.commands.lazy import when_called

if TYPE_CHECKING:
    from node0.commands.finetune import remote_flags
    from node0.commands.serve import serve_models as work
else:
    remote_flags = when_called("node0.commands.finetune.remote_flags")
    work = when_called("node0.commands.serve.serve_models")

app = command_app()


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; its exit code."""
    return console.run(app, argv, name="node0 serve")


@app.command()
def serve(  # noqa: PLR0913  # one parameter a flag
    *,
    model: Annotated[
        list[str],
        typer.Option(
            "--model",
            "-m",
            help="NAME, NAME:VER or a directory; ID=NAME offers it under another id. Repeatable.",
        ),
    ],
    adapters: Annotated[
        str, typer.Option(help="Adapters to add to each model: directories or registered names, with commas.")
    ] = "",
    role: Annotated[str | None, typer.Option(help="Role to answer as; default: each model's own.")] = None,
    profile: Annotated[
        Path | None, typer.Option(help="Profile, or a directory of them; default: what it was trained with.")
    ] = None,
    engine: Annotated[str, typer.Option(help="own, vllm, llama-server or sglang.")] = "own",
    engine_url: Annotated[
        str | None, typer.Option(help="Where the other engine answers, without the path of an API.")
    ] = None,
    engine_model: Annotated[
        list[str] | None,
        typer.Option(help="What the other engine calls a model, in the order of --model. Repeatable."),
    ] = None,
    engine_token_file: Annotated[
        Path | None, typer.Option(help="File with the token that the other engine wants.")
    ] = None,
    host: Annotated[
        str, typer.Option(help="Address to listen on; any but loopback needs tokens.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 8642,
    token_file: Annotated[
        Path | None,
        typer.Option(help="File of keys, one a line: TOKEN [NAME [FILE]]; whoever asks must send one."),
    ] = None,
    max_running: Annotated[
        int, typer.Option(min=1, help="Requests over one base that are computed together.")
    ] = 32,
    max_waiting: Annotated[int, typer.Option(min=0, help="Requests that may wait beside them.")] = 32,
    cache_gib: Annotated[
        float | None,
        typer.Option(min=0.001, help="GiB of keys and values a base; default: half of what is free."),
    ] = None,
    max_loaded: Annotated[
        int | None, typer.Option(min=1, help="Models in memory at once; the longest idle one makes room.")
    ] = None,
    max_weights_gib: Annotated[
        float | None, typer.Option(min=0.001, help="GiB of weights in memory at once.")
    ] = None,
    max_body_mib: Annotated[int, typer.Option(min=1, help="MiB of the largest request.")] = 32,
    max_seconds: Annotated[
        float, typer.Option(min=1, help="Seconds that a request and its answer may take.")
    ] = 1800,
    rag_dir: Annotated[
        list[str] | None,
        typer.Option(
            "--rag-dir", help="[MODEL=]DIR of an index whose excerpts each request is given; repeatable."
        ),
    ] = None,
    rag_tokens: Annotated[int, typer.Option(min=1, help="Most tokens of these excerpts.")] = 1500,
    swarm: Annotated[bool, typer.Option("--swarm", help="Answer by the running stages of a swarm.")] = False,
    run: Annotated[Path | None, typer.Option(help="The swarm's directory, made by node0 swarm init.")] = None,
    initial_peers: Annotated[
        list[str] | None, typer.Option(help="Full address of a running stage to join by. Repeatable.")
    ] = None,
    device: DeviceOption = "auto",
    dtype: DtypeOption = "auto",
    town: TownOption = None,
) -> int:
    """Answer agent harnesses over HTTP, in Anthropic's and OpenAI's protocols, until SIGTERM or Ctrl-C.

    Answers that were begun are finished first. See docs/serving.md.

    \b
    Example:
      node0 serve --model deacon:2 --port 8080
    """
    console.note(f"loading {', '.join(model)}")
    work.serve_models(
        work.ServeRequest(
            models=tuple(model),
            adapters=names_in(adapters),
            role=role,
            profile=profile,
            engine=engine,
            engine_url=engine_url,
            engine_models=tuple(engine_model or ()),
            engine_token_file=engine_token_file,
            host=host,
            port=port,
            token_file=token_file,
            max_running=max_running,
            max_waiting=max_waiting,
            cache_bytes=None if cache_gib is None else int(cache_gib * (1 << 30)),
            max_loaded=max_loaded,
            max_bytes=None if max_weights_gib is None else int(max_weights_gib * (1 << 30)),
            max_body=max_body_mib << 20,
            max_seconds=max_seconds,
            device=device,
            dtype=dtype,
            town=town,
            rag_dirs=tuple(rag_dir or ()),
            rag_tokens=rag_tokens,
            remote=remote_flags.RemoteFlags(swarm, run, tuple(initial_peers or ())),
        )
    )
    return 0
