# SPDX-License-Identifier: Apache-2.0
"""Put models, an engine and the HTTP application together, and serve."""

import re
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from node0 import console
from node0.errors import ConfigError, NotFound
from node0.finetune.inference.loading import find_source, load_speech, load_weights, weight_bytes
from node0.finetune.inference.source import ModelSource
from node0.finetune.serving.engines.llama_server_dialect import LlamaServerDialect
from node0.finetune.serving.engines.local_engine import LocalEngine
from node0.finetune.serving.engines.model_pool import Loader, ModelPool
from node0.finetune.serving.engines.prefix_reuse import ReusingPipeline
from node0.finetune.serving.engines.remote_engine import Dialect, RemoteEngine
from node0.finetune.serving.engines.token_engine import Engine
from node0.finetune.serving.engines.vllm_dialect import VllmDialect
from node0.finetune.serving.gateway import Gateway
from node0.finetune.serving.http.admission import Admission, is_loopback, read_tokens
from node0.finetune.serving.http.drained_server import listen, run_until_stopped
from node0.finetune.serving.http.serving_app import ServingOptions, ServingState, serving_app
from node0.finetune.serving.served_models import ModelCatalogue, ServedModel

_DIALECTS: Mapping[str, Callable[[], Dialect]] = {"vllm": VllmDialect, "llama-server": LlamaServerDialect}
_ID = re.compile(r"[A-Za-z0-9][\w.:@/+-]{0,127}")


@dataclass(frozen=True, slots=True)
class ServeRequest:
    """What a person asked for."""

    models: tuple[str, ...]
    adapters: tuple[str, ...]
    role: str | None
    profile: Path | None
    engine: str
    engine_url: str | None
    engine_models: tuple[str, ...]
    engine_token_file: Path | None
    host: str
    port: int
    token_file: Path | None
    max_waiting: int
    max_loaded: int | None
    max_bytes: int | None
    max_body: int
    device: str
    dtype: str
    town: Path | None


def serve_models(request: ServeRequest) -> None:
    """Serve until a signal comes.

    Raises:
        ConfigError: flags do not go together, or the address cannot be listened on.
        NotFound: a model is absent, or has no tokenizer.
        BadCheckpoint: a model's files are not what was registered.
    """
    _check(request)
    admission = Admission(read_tokens(request.token_file) if request.token_file else ())
    sources = {name: _find(request, text) for name, text in _named(request.models).items()}
    models = ModelCatalogue(_served(request, sources))
    engine, warm_up = _engine(request, sources)
    with listen(request.host, request.port) as listening:
        host, port = listening.getsockname()[:2]
        shown = f"[{host}]" if ":" in host else host
        console.note(f"listening on http://{shown}:{port}; it is ready when /ready says so; Ctrl-C ends")
        state = ServingState()
        app = serving_app(
            Gateway(models, engine), ServingOptions(admission=admission, max_body=request.max_body), state
        )
        run_until_stopped(app, listening, state, warm_up=warm_up, close=engine.close)
    console.note("stopped: every answer that was begun has been given")


def _check(request: ServeRequest) -> None:
    if not is_loopback(request.host) and request.token_file is None:
        raise ConfigError(f"{request.host} is not loopback: others could ask; give --token-file")
    if request.engine != "own" and request.engine not in _DIALECTS:
        raise ConfigError(f"engine {request.engine!r} is unknown; use own, {', '.join(_DIALECTS)}")
    if (request.engine == "own") != (request.engine_url is None):
        raise ConfigError("--engine-url names another engine: give it with --engine vllm or llama-server")
    if request.engine_models and len(request.engine_models) != len(request.models):
        raise ConfigError("give --engine-model once for each --model, in the same order, or not at all")


def _named(models: tuple[str, ...]) -> dict[str, str]:
    """Ids under which models are offered, and the names by which they are found."""
    found: dict[str, str] = {}
    for text in models:
        name, split, source = text.partition("=")
        if Path(text).is_dir():
            name, source = Path(text).resolve().name, text
        elif not split:
            source = text
        if not _ID.fullmatch(name):
            raise ConfigError(f"{name[:80]!r} is no model id; name one with --model ID={source}")
        if name in found:
            raise ConfigError(f"two models are called {name}; name one with --model ID={source}")
        found[name] = source
    return found


def _find(request: ServeRequest, name: str) -> ModelSource:
    return find_source(name, town=request.town, adapters=request.adapters)


def _served(request: ServeRequest, sources: Mapping[str, ModelSource]) -> list[ServedModel]:
    at_engine = request.engine_models or tuple(sources)
    return [
        _model(request, source, own_id=name, engine_name=engine_name)
        for (name, source), engine_name in zip(sources.items(), at_engine, strict=True)
    ]


def _model(request: ServeRequest, source: ModelSource, *, own_id: str, engine_name: str) -> ServedModel:
    speech = load_speech(source, role=request.role, profile=request.profile)
    tokenizer, args = speech.tokenizer, source.base.args
    if tokenizer is None or speech.renderer is None:
        raise NotFound(f"model {source.name} has no tokenizer; put its tokenizer.json beside the weights")

    def decode(ids: list[int]) -> str:
        return str(tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False))

    # A registered model answers under `NAME:VER` too, which never becomes another one.
    version = [] if Path(source.name).is_dir() else [source.name]
    return ServedModel(
        ids=tuple(dict.fromkeys([own_id, *version])),
        engine_name=engine_name,
        renderer=speech.renderer,
        decode=decode,
        context=args.max_seq_len,
        vocab_size=args.vocab_size,
        created=int(time.time()),
    )


def _engine(
    request: ServeRequest, sources: Mapping[str, ModelSource]
) -> tuple[Engine, Callable[[], Awaitable[None]]]:
    """The engine, and what loads its models."""
    if request.engine_url is not None:
        token = read_tokens(request.engine_token_file)[0] if request.engine_token_file else None
        return RemoteEngine(request.engine_url, _DIALECTS[request.engine](), token=token), _nothing
    choice = {"device": request.device, "dtype": request.dtype}
    loaders = {
        name: Loader(weight_bytes(source, **choice), partial(_load, name, source, **choice))
        for name, source in sources.items()
    }
    pool = ModelPool(loaders, max_loaded=request.max_loaded, max_bytes=request.max_bytes)
    contexts = {name: source.base.args.max_seq_len for name, source in sources.items()}
    engine = LocalEngine(pool, contexts, max_waiting=request.max_waiting)
    return engine, engine.warm_up


def _load(name: str, source: ModelSource, *, device: str, dtype: str) -> ReusingPipeline:
    began = time.monotonic()
    pipeline = ReusingPipeline(load_weights(source, device=device, dtype=dtype))
    console.note(f"loaded {name} in {time.monotonic() - began:.1f} s")
    return pipeline


async def _nothing() -> None:
    """Another program loads its models itself."""
