# SPDX-License-Identifier: Apache-2.0
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
from pydantic import ValidationError

from node0.errors import EndpointUnfit, EndpointUnreachable
from node0.finetune.deploy.endpoint import Endpoint, Wanted, probe

WANTED = Wanted(model="deacon:3", context_window=4096, ids=[5, 6, 7, 8])
Replies = dict[str, Any]


@contextmanager
def _server(replies: Replies) -> Iterator[str]:
    """Answers paths from a table: JSON, bytes as they are, or what a function makes of the body."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(None)

        def do_POST(self) -> None:
            self._answer(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

        def _answer(self, body: Any) -> None:
            reply = replies.get(self.path)
            reply = reply(body) if callable(reply) else reply
            text = reply if isinstance(reply, bytes) else json.dumps(reply).encode()
            self.send_response(404 if reply is None else 200)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _counting(path: list[str]) -> Callable[[Any], Any]:
    """Counts the ids that were given, where an engine puts that number."""

    def count(body: Any) -> Any:
        answer: Any = len(body.get("prompt", body.get("input_ids")))
        for name in reversed(path):
            answer = {name: answer}
        return answer

    return count


def _good(kind: str) -> Replies:
    models = {"data": [{"id": "base"}, {"id": "deacon:3", "max_model_len": 8192}]}
    if kind == "llama-server":
        return {
            "/health": {"status": "ok"},
            "/v1/models": models,
            "/props": {"default_generation_settings": {"n_ctx": 8192}},
            "/completion": _counting(["tokens_evaluated"]),
        }
    if kind == "sglang":
        return {"/health": b"", "/v1/models": models, "/generate": _counting(["meta_info", "prompt_tokens"])}
    return {"/v1/models": models, "/v1/completions": _counting(["usage", "prompt_tokens"])}


KINDS = ["own", "vllm", "openai", "llama-server", "sglang"]


@pytest.mark.parametrize("kind", KINDS)
def test_an_endpoint_that_keeps_what_it_promises_passes(kind: str) -> None:
    with _server(_good(kind)) as url:
        probe(Endpoint(kind=kind, url=url), WANTED)


@pytest.mark.parametrize("kind", KINDS)
def test_another_model_is_refused_with_what_is_served(kind: str) -> None:
    replies = _good(kind) | {"/v1/models": {"data": [{"id": "llama"}]}}

    with _server(replies) as url, pytest.raises(EndpointUnfit, match="serves llama, not 'deacon:3'"):
        probe(Endpoint(kind=kind, url=url), WANTED)


@pytest.mark.parametrize("kind", KINDS)
def test_a_small_context_window_is_refused_with_both_numbers(kind: str) -> None:
    replies = _good(kind) | {
        "/v1/models": {"data": [{"id": "deacon:3", "max_model_len": 2048}]},
        "/props": {"default_generation_settings": {"n_ctx": 2048}},
    }

    with (
        _server(replies) as url,
        pytest.raises(EndpointUnfit, match=r"2048 tokens, .* promises 4096"),
    ):
        probe(Endpoint(kind=kind, url=url), WANTED)


@pytest.mark.parametrize("kind", KINDS)
def test_a_server_that_does_not_take_token_ids_is_refused(kind: str) -> None:
    wrong: Replies = {path: {} for path in ("/v1/completions", "/completion", "/generate")}

    with _server(_good(kind) | wrong) as url, pytest.raises(EndpointUnfit, match="of 4 ids"):
        probe(Endpoint(kind=kind, url=url), WANTED)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("junk", [b"", b"\xff\xfe", b"[" * 5000, b"[]", b'{"data": {"id": 1}}'])
def test_an_answer_of_any_other_form_is_refused(kind: str, junk: bytes) -> None:
    with (
        _server(dict.fromkeys(_good(kind), junk)) as url,
        pytest.raises(EndpointUnfit, match="serves nothing"),
    ):
        probe(Endpoint(kind=kind, url=url), WANTED)


def test_an_error_of_the_server_is_shown() -> None:
    with _server({}) as url, pytest.raises(EndpointUnfit, match="404 to /v1/models"):
        probe(Endpoint(url=url), WANTED)


def test_nothing_there_is_unreachable() -> None:
    with pytest.raises(EndpointUnreachable, match="start the server first"):
        probe(Endpoint(url="http://127.0.0.1:9"), WANTED)


def test_the_model_may_have_another_name_there() -> None:
    replies = _good("vllm") | {"/v1/models": {"data": [{"id": "my-lora"}]}}

    with _server(replies) as url:
        probe(Endpoint(kind="vllm", url=url, model="my-lora"), WANTED.model_copy(update={"model": "my-lora"}))


@pytest.mark.parametrize(
    "url", ["", "localhost:80", "ftp://h", "file:///etc/passwd", "http://h/x?y", "http://h y"]
)
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ValidationError):
        Endpoint(url=url)
