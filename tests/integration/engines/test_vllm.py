# SPDX-License-Identifier: Apache-2.0
"""A real vLLM over the exported adapter: our ids go in, our answers come out, other models are refused."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from integration.engines.answer_forms import (
    assert_calls_keep_their_form,
    assert_json_keeps_its_form,
    assert_refused,
)
from integration.engines.conftest import Theirs
from integration.engines.engine_process import programs, running
from integration.engines.sample_deacon import (
    BASE,
    CONTEXT,
    Deacon,
    HeldOutCall,
    assert_likelihoods,
    likelihoods,
)
from integration.served_process import serving

from node0.errors import EndpointUnfit
from node0.finetune.deploy.endpoint import Endpoint, Wanted, probe
from node0.finetune.serving.engines.vllm_dialect import VllmDialect

pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(900),
    pytest.mark.skipif(
        not (programs("vllm") / "vllm").exists(), reason="vLLM is not there; run: make engines ENGINES=vllm"
    ),
]
SMALL = {"VLLM_CPU_KVCACHE_SPACE": "1", "OMP_NUM_THREADS": "2", "VLLM_ALLOW_RUNTIME_LORA_UPDATING": "1"}
EXPORT = "deacon-peft"


@pytest.fixture(scope="module")
def url(deacon: Deacon, logs: Path) -> Iterator[str]:
    """vLLM as `node0 model export` says."""
    line = deacon.exported(deacon.root / EXPORT, "--format", "peft")
    # It leaves its sockets where it made them, and a socket's path is short.
    with tempfile.TemporaryDirectory(prefix="vllm-") as sockets:
        environment = {**SMALL, "VLLM_RPC_BASE_PATH": sockets}
        with running(line, "vllm", logs / "vllm.log", environment=environment) as url:
            yield url


def test_greedy_answers_are_ours(url: str, ours: list[dict[str, Any]], theirs: Theirs) -> None:
    assert theirs("vllm", url, EXPORT) == ours
    assert sum(answer["ended"] == "tool_use" for answer in ours) > len(ours) / 2


def test_log_probabilities_are_ours(url: str, deacon: Deacon, compared: list[HeldOutCall]) -> None:
    found = likelihoods(url, VllmDialect(), EXPORT, compared[1].row)

    assert len(found) > 1
    assert_likelihoods(deacon, compared[1].row, found, within=1e-3)


def test_an_adapter_is_loaded_at_run_time_and_answers_by_its_name(
    url: str, deacon: Deacon, compared: list[HeldOutCall]
) -> None:
    with httpx.Client(base_url=url, trust_env=False, timeout=120) as client:
        given = {"lora_name": "later", "lora_path": str(deacon.root / EXPORT)}
        assert client.post("/v1/load_lora_adapter", json=given).status_code == 200

        found = {
            name: [_ids(client, name, call.row) for call in compared[:8]]
            for name in (EXPORT, "later", str(BASE.resolve()))
        }

    assert found["later"] == found[EXPORT] != found[str(BASE.resolve())]


def _ids(client: httpx.Client, model: str, prompt: tuple[int, ...]) -> list[int]:
    body = {"model": model, "prompt": prompt, "max_tokens": 16, "temperature": 0, "return_token_ids": True}
    (choice,) = client.post("/v1/completions", json=body).raise_for_status().json()["choices"]
    assert choice["prompt_token_ids"] == list(prompt)
    return list(choice["token_ids"])


def test_answers_keep_their_form(url: str) -> None:
    flags = ("--engine", "vllm", "--engine-url", url, "--engine-model", EXPORT)
    with serving("--model", f"base={BASE}", *flags) as served:
        assert_calls_keep_their_form(served, "base")
        assert_json_keeps_its_form(served, "base")
        assert_refused(served, "base", {"type": "nonsense"}, "cannot be followed here")


def test_a_deployment_takes_this_endpoint_for_what_it_serves(url: str) -> None:
    endpoint = Endpoint(kind="vllm", url=url, model=EXPORT)

    probe(endpoint, Wanted(model=EXPORT, context_window=CONTEXT))
    with pytest.raises(EndpointUnfit, match="not 'witness'"):
        probe(endpoint, Wanted(model="witness", context_window=CONTEXT))
    with pytest.raises(EndpointUnfit, match=f"{CONTEXT} tokens, the profile promises {CONTEXT + 1}"):
        probe(endpoint, Wanted(model=EXPORT, context_window=CONTEXT + 1))
