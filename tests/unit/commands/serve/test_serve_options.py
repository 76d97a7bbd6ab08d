# SPDX-License-Identifier: Apache-2.0
from pathlib import Path
from typing import Any

import pytest

from node0.commands.finetune.remote_flags import RemoteFlags
from node0.commands.serve import serve_models, serve_options
from node0.console import USAGE


def test_flags_become_the_request_and_what_is_loaded_is_said_first(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found: list[Any] = []
    monkeypatch.setattr(serve_models, "serve_models", found.append)
    argv = ["--model", "a=deacon:1", "--model", "witness", "--adapters", "x, y", "--max-weights-gib", "0.5"]

    assert serve_options.main([*argv, "--engine", "vllm", "--engine-url", "http://127.0.0.1:9"]) == 0

    (request,) = found
    assert (request.models, request.adapters) == (("a=deacon:1", "witness"), ("x", "y"))
    assert (request.max_bytes, request.max_body, request.port) == (1 << 29, 32 << 20, 8642)
    assert (request.engine, request.engine_url, request.host) == ("vllm", "http://127.0.0.1:9", "127.0.0.1")
    assert capsys.readouterr().err.startswith("loading a=deacon:1, witness")


def test_a_swarm_is_named_as_training_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[Any] = []
    monkeypatch.setattr(serve_models, "serve_models", found.append)

    argv = ["--model", "deacon", "--swarm", "--run", "runs/deacon", "--initial-peers", "/ip4/1.2.3.4/tcp/5"]
    assert serve_options.main(argv) == 0

    assert found[0].remote == RemoteFlags(True, Path("runs/deacon"), ("/ip4/1.2.3.4/tcp/5",))


def test_a_server_without_a_model_is_a_wrong_call() -> None:
    assert serve_options.main([]) == USAGE
