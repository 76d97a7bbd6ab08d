# SPDX-License-Identifier: Apache-2.0
import signal
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from tiny_run import make_base

from node0.commands.finetune.remote_flags import RemoteFlags
from node0.commands.serve import serve_models as work
from node0.commands.serve.model_offers import Offer
from node0.commands.serve.serve_models import ServeRequest, serve_models
from node0.errors import ConfigError, DoesNotFit, NotFound
from node0.finetune.inference.source import ModelSource
from node0.models.base_model import resolve_base

REQUEST = ServeRequest(
    models=("tiny",),
    adapters=(),
    role=None,
    profile=None,
    engine="own",
    engine_url=None,
    engine_models=(),
    engine_token_file=None,
    host="127.0.0.1",
    port=0,
    token_file=None,
    max_running=2,
    max_waiting=4,
    cache_bytes=1 << 24,
    max_loaded=None,
    max_bytes=None,
    max_body=1 << 20,
    max_seconds=60,
    device="cpu",
    dtype="float32",
    town=None,
)

SEED = "/ip4/127.0.0.1/tcp/4100/p2p/QmcgpsyWgH8Y8ajJz1Cu72KnS5uo2Aa2LpzU7kinSupNKC"
RUN = Path("the run of the test")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"host": "0.0.0.0"}, "--token-file"),
        ({"engine": "sglong"}, "engine 'sglong' is unknown"),
        ({"engine": "vllm"}, "--engine vllm needs its address; give --engine-url"),
        ({"engine_url": "http://127.0.0.1:1"}, "--engine-url names another engine: give it with --engine"),
        ({"engine_models": ("a", "b")}, "--engine-model once for each"),
        ({"models": ("a\nb=x",)}, "is no model id"),
        ({"models": ("a=x", "a=y")}, "two models are called a"),
    ],
)
def test_flags_that_do_not_go_together_are_refused_before_anything_is_loaded(
    changes: dict[str, object], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        serve_models(replace(REQUEST, **changes))  # type: ignore[arg-type]  # fields by name


@pytest.mark.parametrize(
    ("flags", "changes", "message"),
    [
        ({"initial_peers": ("x",)}, {}, "--run and --initial-peers need --swarm"),
        ({"swarm": True}, {}, "--swarm needs the stages"),
        ({"swarm": True, "initial_peers": (SEED,)}, {}, "give --run DIR"),
        ({"swarm": True, "run": Path("nowhere")}, {}, "no run in nowhere"),
        ({"swarm": True, "run": RUN}, {"models": ("a", "b")}, "one --model"),
        ({"swarm": True, "run": RUN}, {"models": ("d=deacon@active",)}, "one --model NAME:VER"),
        ({"swarm": True, "run": RUN}, {"cache_bytes": 1 << 20}, "--cache-gib is not for a swarm"),
        ({"swarm": True, "run": RUN}, {"device": "cpu"}, "--device is not for a swarm"),
        ({"swarm": True, "run": RUN}, {"engine_models": ("x",)}, "--engine-model is not for a swarm"),
    ],
)
def test_flags_of_a_swarm_that_do_not_go_together_are_refused_before_anybody_is_asked(
    flags: dict[str, Any], changes: dict[str, Any], message: str, tmp_path: Path
) -> None:
    if flags.get("run") is RUN:
        (tmp_path / "run.json").write_text("{}")
        flags = {**flags, "run": tmp_path}
    plain = replace(REQUEST, cache_bytes=None, device="auto")

    with pytest.raises(ConfigError, match=message):
        serve_models(replace(plain, remote=RemoteFlags(**flags), **changes))


def test_a_model_without_a_tokenizer_cannot_be_asked_in_words(tmp_path: Path) -> None:
    base = make_base(tmp_path)
    for file in base.glob("tokenizer*"):
        file.unlink()

    with pytest.raises(NotFound, match="has no tokenizer"):
        serve_models(replace(REQUEST, models=(str(base),)))


def test_a_model_over_the_budget_is_refused_before_it_is_loaded(tmp_path: Path) -> None:
    with pytest.raises(DoesNotFit, match="the budget is 100"):
        serve_models(replace(REQUEST, models=(str(make_base(tmp_path)),), max_bytes=100))


@pytest.mark.parametrize(
    ("max_loaded", "grows", "bases"),
    [(None, False, 2), (1, False, 1), (8, False, 2), (None, True, 3), (1, True, 1), (8, True, 8)],
)
def test_the_cache_is_divided_by_the_bases_and_not_by_the_models(
    max_loaded: int | None, grows: bool, bases: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = (resolve_base(make_base(tmp_path / name, seed=seed)) for seed, name in enumerate("xy"))
    offered = [Offer(ModelSource(name, one), [name], name) for name in "ab"]
    offered.append(Offer(ModelSource("c", other), ["c"], "c"))
    divided: list[tuple[int, int]] = []

    def cache_bytes(sizes: list[int], device: str, bases: int) -> int:
        divided.append((len(sizes), bases))
        return 5

    monkeypatch.setattr(work, "default_cache_bytes", cache_bytes)
    request = replace(REQUEST, cache_bytes=None, max_loaded=max_loaded)
    serving = work._engine(request, offered, grows=grows)

    assert divided == [(2, bases)]
    assert serving.weights is not None and serving.weights.cache_bytes == 5


def test_a_directory_is_served_under_its_own_name_until_a_signal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    found: list[object] = []

    def ask(url: str) -> None:
        with httpx.Client(trust_env=False, base_url=url) as client:
            found.append([card["id"] for card in client.get("/v1/models").json()["data"]])
            body = {"model": "base", "prompt": [1, 2, 3], "max_tokens": 2, "temperature": 0}
            found.append(client.post("/v1/completions", json=body).json()["usage"]["prompt_tokens"])
        signal.raise_signal(signal.SIGINT)

    def note(message: str) -> None:
        said.append(message)
        if message.startswith("listening on "):
            threading.Thread(target=ask, args=(message.split()[2].rstrip(";"),)).start()

    monkeypatch.setattr("node0.console.note", note)
    serve_models(replace(REQUEST, models=(str(make_base(tmp_path)),)))

    assert found == [["base"], 3]
    assert said[-1].startswith("stopped")
