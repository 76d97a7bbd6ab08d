# SPDX-License-Identifier: Apache-2.0
from typing import Any

import pytest
from endpoint_server import Replies, good_replies, serving
from pydantic import ValidationError

from node0.errors import EndpointUnfit, EndpointUnreachable
from node0.finetune.deploy.endpoint import Endpoint, Wanted, probe

WANTED = Wanted(model="deacon:3", context_window=4096, ids=[5, 6, 7, 8])


KINDS = ["own", "vllm", "openai", "llama-server", "sglang"]


@pytest.mark.parametrize("kind", KINDS)
def test_an_endpoint_that_keeps_what_it_promises_passes(kind: str) -> None:
    with serving(good_replies(kind)) as url:
        probe(Endpoint(kind=kind, url=url), WANTED)


@pytest.mark.parametrize("kind", KINDS)
def test_another_model_is_refused_with_what_is_served(kind: str) -> None:
    replies = good_replies(kind) | {"/v1/models": {"data": [{"id": "llama"}]}}

    with serving(replies) as url, pytest.raises(EndpointUnfit, match="serves llama, not 'deacon"):
        probe(Endpoint(kind=kind, url=url), WANTED)


@pytest.mark.parametrize("kind", KINDS)
def test_a_small_context_window_is_refused_with_both_numbers(kind: str) -> None:
    replies = good_replies(kind) | {
        "/v1/models": {"data": [{"id": name, "max_model_len": 2048} for name in ("deacon:3", "deacon", "3")]},
        "/props": {"default_generation_settings": {"n_ctx": 2048}},
    }

    with (
        serving(replies) as url,
        pytest.raises(EndpointUnfit, match=r"2048 tokens, .* promises 4096"),
    ):
        probe(Endpoint(kind=kind, url=url), WANTED)


@pytest.mark.parametrize("kind", KINDS)
def test_a_server_that_does_not_take_token_ids_is_refused(kind: str) -> None:
    wrong: Replies = {path: {} for path in ("/v1/completions", "/completion", "/generate")}

    with serving(good_replies(kind) | wrong) as url, pytest.raises(EndpointUnfit, match="of 4 ids"):
        probe(Endpoint(kind=kind, url=url), WANTED)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("junk", [b"", b"\xff\xfe", b"[" * 5000, b"[]", b'{"data": {"id": 1}}'])
def test_an_answer_of_any_other_form_is_refused(kind: str, junk: bytes) -> None:
    with (
        serving(dict.fromkeys(good_replies(kind), junk)) as url,
        pytest.raises(EndpointUnfit, match="serves nothing"),
    ):
        probe(Endpoint(kind=kind, url=url), WANTED)


def test_an_error_of_the_server_is_shown() -> None:
    with serving({}) as url, pytest.raises(EndpointUnfit, match="404 to /v1/models"):
        probe(Endpoint(url=url), WANTED)


def test_nothing_there_is_unreachable() -> None:
    with pytest.raises(EndpointUnreachable, match="start the server first"):
        probe(Endpoint(url="http://127.0.0.1:9"), WANTED)


def test_the_model_may_have_another_name_there() -> None:
    replies = good_replies("vllm") | {"/v1/models": {"data": [{"id": "my-lora"}]}}

    with serving(replies) as url:
        probe(Endpoint(kind="vllm", url=url, model="my-lora"), WANTED.model_copy(update={"model": "my-lora"}))


def test_the_window_of_an_adapter_is_that_of_its_base() -> None:
    base = {"id": "base", "max_model_len": 2048, "parent": None}
    adapter = {"id": "deacon:3", "max_model_len": None, "parent": "base"}
    replies = good_replies("vllm") | {"/v1/models": {"data": [base, adapter]}}

    with serving(replies) as url, pytest.raises(EndpointUnfit, match="2048 tokens"):
        probe(Endpoint(kind="vllm", url=url), WANTED)


def test_an_adapter_of_sglang_is_asked_for_by_its_own_name() -> None:
    asked: list[Any] = []

    def generate(body: Any) -> Any:
        asked.append(body)
        return {"meta_info": {"prompt_tokens": len(body["input_ids"])}}

    replies = good_replies("sglang") | {"/generate": generate}
    with serving(replies) as url:
        probe(Endpoint(kind="sglang", url=url), WANTED.model_copy(update={"model": "deacon"}))
        probe(Endpoint(kind="sglang", url=url), WANTED)
        with pytest.raises(EndpointUnfit, match="not '4'"):
            probe(Endpoint(kind="sglang", url=url), WANTED.model_copy(update={"model": "deacon:4"}))

    assert [body.get("lora_path") for body in asked] == [None, "3"]


@pytest.mark.parametrize(
    "url", ["", "localhost:80", "ftp://h", "file:///etc/passwd", "http://h/x?y", "http://h y"]
)
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ValidationError):
        Endpoint(url=url)
