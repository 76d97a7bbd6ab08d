# SPDX-License-Identifier: Apache-2.0
"""A real llama-server over exported files: our ids go in, our answers come out, and k-quants are its own."""

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
from integration.served_process import anthropic_client, serving

from node0.errors import EndpointUnfit
from node0.finetune.checkpoint.exporter import export_to_gguf
from node0.finetune.deploy.endpoint import Endpoint, Wanted, probe
from node0.finetune.export.serve import llama_server_command
from node0.finetune.serving.engines.llama_server_dialect import LlamaServerDialect

BIN = programs("llama-cpp")
pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(
        not (BIN / "llama-server").exists(), reason="llama.cpp is not there; run: make engines"
    ),
]
MERGED, OVER_BASE = "merged-f32", "over-base"


@pytest.fixture(scope="module")
def merged(deacon: Deacon, logs: Path) -> Iterator[str]:
    """llama-server as `node0 model export` says, over base and adapter in one file."""
    line = deacon.exported(deacon.root / f"{MERGED}.gguf", *("--format", "gguf", "--quantization", "f32"))
    with running(line, "llama-cpp", logs / "merged.log") as url:
        yield url


@pytest.fixture(scope="module")
def over_base(deacon: Deacon, logs: Path) -> Iterator[str]:
    """llama-server over the base's file and the adapter's."""
    base = export_to_gguf(BASE, deacon.root / "base.gguf", "f32")
    adapter = deacon.root / "adapter.gguf"
    deacon.exported(adapter, "--format", "gguf-adapter")
    command = llama_server_command(OVER_BASE, base, context=CONTEXT, adapter=adapter)
    with running(str(command), "llama-cpp", logs / "adapter.log") as url:
        yield url


def test_greedy_answers_of_the_merged_file_are_ours(
    merged: str, ours: list[dict[str, Any]], theirs: Theirs
) -> None:
    assert theirs("llama-server", merged, MERGED) == ours


def test_greedy_answers_of_the_adapter_over_its_base_are_ours(
    over_base: str, ours: list[dict[str, Any]], theirs: Theirs
) -> None:
    assert theirs("llama-server", over_base, OVER_BASE) == ours


def test_log_probabilities_are_ours(merged: str, deacon: Deacon, compared: list[HeldOutCall]) -> None:
    found = likelihoods(merged, LlamaServerDialect(), MERGED, compared[1].row)

    assert len(found) > 1
    # Its cache is in half precision.
    assert_likelihoods(deacon, compared[1].row, found, within=0.05)


def test_a_deployment_takes_this_endpoint_for_what_it_serves(merged: str) -> None:
    endpoint = Endpoint(kind="llama-server", url=merged, model=MERGED)

    probe(endpoint, Wanted(model=MERGED, context_window=CONTEXT))
    with pytest.raises(EndpointUnfit, match="not 'witness'"):
        probe(endpoint, Wanted(model="witness", context_window=CONTEXT))
    with pytest.raises(EndpointUnfit, match=f"{CONTEXT} tokens, the profile promises {CONTEXT + 1}"):
        probe(endpoint, Wanted(model=MERGED, context_window=CONTEXT + 1))


def test_characters_of_several_ids_arrive_whole(merged: str) -> None:
    form = {"output_config": {"format": {"type": "json_schema", "schema": {"const": "Größe 🙂 日本"}}}}
    flags = ("--engine", "llama-server", "--engine-url", merged, "--engine-model", MERGED)
    with serving("--model", f"base={BASE}", *flags) as served, anthropic_client(served) as client:
        turn: Any = {"role": "user", "content": "Look."}
        said = client.messages.create(model="base", max_tokens=60, messages=[turn], extra_body=form)

    assert said.content[0].text == '"Größe 🙂 日本"'
    assert said.usage.output_tokens >= len(said.content[0].text)


def test_answers_keep_their_form(merged: str) -> None:
    flags = ("--engine", "llama-server", "--engine-url", merged, "--engine-model", MERGED)
    with serving("--model", f"base={BASE}", *flags) as served:
        assert_calls_keep_their_form(served, "base")
        assert_json_keeps_its_form(served, "base")
        assert_refused(served, "base", {"type": "nonsense"}, "cannot be followed here")
        assert_refused(served, "base", {"type": "string", "pattern": "^a*$"}, "does not follow 'pattern'")


def test_both_ways_to_a_k_quant_give_one_file_and_its_line_serves_it(
    deacon: Deacon, compared: list[HeldOutCall], logs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    narrow = ("--format", "gguf", "--quantization", "q4_k_m")
    by_package, by_program = (deacon.root / name / "narrow.gguf" for name in ("package", "program"))
    for path in (by_package, by_program):
        path.parent.mkdir()
    deacon.exported(by_package, *narrow, "--engine", BIN / "python")
    monkeypatch.setenv("PATH", str(BIN), prepend=":")
    line = deacon.exported(by_program, *narrow)

    with running(line, "llama-cpp", logs / "narrow.log") as url:
        asked = {"prompt": compared[0].row, "n_predict": 8, "return_tokens": True}
        said = httpx.post(f"{url}/completion", json=asked, trust_env=False, timeout=60).json()

    assert by_package.read_bytes() == by_program.read_bytes()
    assert said["tokens_evaluated"] == len(compared[0].row)
    assert len(said["tokens"]) > 0
