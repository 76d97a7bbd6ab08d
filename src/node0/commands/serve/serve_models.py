# SPDX-License-Identifier: Apache-2.0
"""Put models, an engine and the HTTP application together, and serve."""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from node0 import console
from node0.commands.lazy import when_called
from node0.commands.serve.model_offers import (
    Offer,
    SourceChoice,
    is_alias,
    named_models,
    offers,
    registered_name,
    served_model,
)
from node0.commands.serve.own_weights import OwnWeights, default_cache_bytes
from node0.commands.serve.serve_request import ServeRequest as ServeRequest
from node0.errors import ConfigError, NotFound
from node0.finetune.registry.store import ModelRegistry
from node0.finetune.serving.engines.llama_server_dialect import LlamaServerDialect
from node0.finetune.serving.engines.local_engine import LocalEngine
from node0.finetune.serving.engines.model_pool import ModelPool
from node0.finetune.serving.engines.remote_engine import Dialect, RemoteEngine
from node0.finetune.serving.engines.sglang_dialect import SglangDialect
from node0.finetune.serving.engines.vllm_dialect import VllmDialect
from node0.finetune.serving.gateway import Gateway
from node0.finetune.serving.http.admission import Admission, is_loopback
from node0.finetune.serving.http.api_keys import read_keys
from node0.finetune.serving.http.drained_server import listen, run_until_stopped
from node0.finetune.serving.http.key_quotas import KeyQuotas, QuotaSettings
from node0.finetune.serving.http.serving_app import ServingOptions, serving_app
from node0.finetune.serving.http.serving_state import ServingState
from node0.finetune.serving.registry_versions import RegistryVersions
from node0.finetune.serving.served_models import ModelCatalogue, ServedModel
from node0.settings import read_block
from node0.town import Town

if TYPE_CHECKING:
    from node0.commands.serve import swarm_stages
    from node0.finetune.serving.engines.stages_engine import StagesEngine
else:
    swarm_stages = when_called("node0.commands.serve.swarm_stages")  # without a swarm, without hivemind

DIALECTS: Mapping[str, Callable[[], Dialect]] = {
    "vllm": VllmDialect,
    "llama-server": LlamaServerDialect,
    "sglang": SglangDialect,
}
"How each kind of external engine is asked, by its name in `--engine`."


def serve_models(request: ServeRequest) -> None:
    """Serve until a signal comes.

    Raises:
        ConfigError: flags do not go together, or the address cannot be listened on.
        NotFound: a model is absent, or has no tokenizer.
        BadCheckpoint: a model's files are not what was registered.
    """
    _check(request)
    admission = Admission(read_keys(request.token_file) if request.token_file else ())
    quotas = KeyQuotas(_quota_settings(request.town))
    named = named_models(request.models)
    sources = {own_id: request.choice.find(name) for own_id, name in named.items()}
    started = offers(named, sources, request.engine_models)
    names = {name for source in sources.values() if (name := registered_name(source))}
    serving = _engine(request, started, grows=bool(names))
    models = [serving.model(offer) for offer in started]
    versions = _versions(request, serving, names, named) if names and not request.remote.swarm else None
    engine = serving.engine
    catalogue = ModelCatalogue(models, versions)
    with ExitStack() as stack:
        if versions is not None:
            stack.callback(versions.close)
        listening = stack.enter_context(listen(request.host, request.port))
        host, port = listening.getsockname()[:2]
        shown = f"[{host}]" if ":" in host else host
        console.note(f"listening on http://{shown}:{port}; it is ready when /ready says so; Ctrl-C ends")
        state = ServingState()
        options = ServingOptions(admission, request.max_body, request.max_seconds, quotas)
        gateway = Gateway(catalogue, engine, follows_masks=isinstance(engine, LocalEngine))
        app = serving_app(gateway, options, state)
        run_until_stopped(app, listening, state, warm_up=serving.warm_up, close=engine.close)
    console.note("stopped: every answer that was begun has been given")


def _check(request: ServeRequest) -> None:
    if not is_loopback(request.host) and request.token_file is None:
        raise ConfigError(f"{request.host} is not loopback: others could ask; give --token-file")
    if request.engine != "own" and request.engine not in DIALECTS:
        raise ConfigError(f"engine {request.engine!r} is unknown; use own, {', '.join(DIALECTS)}")
    if request.engine != "own" and request.engine_url is None:
        raise ConfigError(
            f"--engine {request.engine} needs its address; give --engine-url, as http://127.0.0.1:8000"
        )
    if request.engine == "own" and request.engine_url is not None:
        raise ConfigError(f"--engine-url names another engine: give it with --engine {', '.join(DIALECTS)}")
    if request.engine_models and len(request.engine_models) != len(request.models):
        raise ConfigError("give --engine-model once for each --model, in the same order, or not at all")
    _check_swarm(request)


def _check_swarm(request: ServeRequest) -> None:
    request.remote.refuse_contradictions(is_torchrun=False)
    if not request.remote.swarm:
        return
    if request.remote.run is None:
        raise ConfigError("--swarm needs the run's directory, with its trainer's key; give --run DIR")
    if len(request.models) != 1 or any(map(is_alias, named_models(request.models).values())):
        raise ConfigError("the stages of a swarm hold one version of one model; give one --model NAME:VER")
    own = {
        "--engine": request.engine != "own",
        "--engine-model": request.engine_models,
        "--device": request.device != "auto",
        "--cache-gib": request.cache_bytes,
        "--max-loaded": request.max_loaded,
        "--max-weights-gib": request.max_bytes,
    }
    given = next((flag for flag, is_given in own.items() if is_given), None)
    if given is not None:
        raise ConfigError(f"{given} is not for a swarm, whose stages hold weights and caches; leave it out")


def _quota_settings(town: Path | None) -> QuotaSettings:
    """The town's; the default ones where there is no town."""
    try:
        place = Town.locate(town)
    except NotFound:
        return QuotaSettings()
    return read_block(QuotaSettings, place.model_settings_file, block="serving")


@dataclass(frozen=True, slots=True)
class _Serving:
    """An engine, and how models come to it."""

    choice: SourceChoice
    engine: "LocalEngine | RemoteEngine | StagesEngine"
    weights: OwnWeights | None = None
    "None where another program has them."

    def model(self, offer: Offer) -> ServedModel:
        """A model as clients see it."""
        context = self.weights.context(offer.source) if self.weights is not None else None
        return served_model(offer, self.choice, context=context)

    def make(self, version: str) -> ServedModel:
        """A version whose turn has come."""
        offer = Offer(self.choice.find(version), [version], version)
        if isinstance(self.engine, LocalEngine) and self.weights is not None:
            loader = self.weights.place(offer)
            self.engine.offer(version, self.weights.placements[version], loader)
        return self.model(offer)

    async def warm_up(self) -> None:
        """Load the models, or join the stages; another program loads its own."""
        if not isinstance(self.engine, RemoteEngine):
            await self.engine.warm_up()


def _engine(request: ServeRequest, started: list[Offer], *, grows: bool) -> _Serving:
    if request.engine_url is not None:
        token = read_keys(request.engine_token_file)[0].token if request.engine_token_file else None
        return _Serving(
            request.choice, RemoteEngine(request.engine_url, DIALECTS[request.engine](), token=token)
        )
    if request.remote.swarm:
        stages = swarm_stages.stages_engine(
            started[0],
            request.remote,
            dtype=request.dtype,
            max_running=request.max_running,
            max_waiting=request.max_waiting,
        )
        return _Serving(request.choice, stages)
    weights = OwnWeights(request.choice, request.max_running)
    weights.start(started)
    sizes = [loader.nbytes for loader in weights.loaders.values()]
    # One more than there are: a version whose turn has come is loaded beside the one that still answers.
    bound = request.max_loaded or (len(sizes) + 1 if grows else None)
    weights.cache_bytes = request.cache_bytes or default_cache_bytes(
        sizes, request.device, bound if grows and bound else min(bound or len(sizes), len(sizes))
    )
    pool = ModelPool(weights.loaders, max_loaded=bound, max_bytes=request.max_bytes)
    engine = LocalEngine(
        pool, weights.placements, max_running=request.max_running, max_waiting=request.max_waiting
    )
    return _Serving(request.choice, engine, weights)


def _versions(
    request: ServeRequest, serving: _Serving, names: set[str], named: Mapping[str, str]
) -> RegistryVersions:
    """Every version of the registered models that were named, made when it is asked for."""
    given = {own_id: name for own_id, name in named.items() if is_alias(name)}
    registry = ModelRegistry(Town.locate(request.town), create=False)
    return RegistryVersions(registry, names, make=serving.make, given=given)
