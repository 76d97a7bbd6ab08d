# SPDX-License-Identifier: Apache-2.0
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import pytest
from endpoint_server import serving
from eval_fakes import WordTask

from node0.errors import EndpointUnfit, EndpointUnreachable
from node0.finetune.chat.messages import Request
from node0.finetune.eval.running.answerer import Sampling
from node0.finetune.eval.running.endpoint_answerer import EndpointAnswerer

TOOL = {"name": "Bash", "description": "", "input_schema": {"type": "object"}}
ASKED: Request = {
    "system": "card",
    "tools": [TOOL],  # type: ignore[typeddict-item]  # as JSON has it
    "messages": [{"role": "user", "content": "hi"}],
}
CALL = {"type": "tool_use", "id": "1", "name": "Bash", "input": {"command": "ls"}}
HOW = Sampling(3, 0.5, 77)


def _ask(url: str) -> list[Any]:
    return EndpointAnswerer(url, "m:1", "key").answer(WordTask("a"), ASKED, HOW)


def test_the_request_goes_out_whole_and_its_blocks_come_back() -> None:
    seen: list[Any] = []

    def reply(body: Any) -> Any:
        seen.append(body)
        return {"content": [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "so"}, CALL]}

    with serving({"/v1/messages": reply}) as url:
        answer = _ask(url)

    assert answer == [{"type": "text", "text": "so"}, CALL]
    assert seen == [
        {"model": "m:1", "max_tokens": 77, "temperature": 0.5, "system": "card"}
        | {"tools": [TOOL], "messages": ASKED["messages"]}
    ]


@pytest.mark.parametrize("missing", ["id", "name", "input"])
def test_a_call_that_cannot_be_answered_is_left_out(missing: str) -> None:
    torn = {key: value for key, value in CALL.items() if key != missing}
    numbered = CALL | {missing: 7}

    with serving({"/v1/messages": {"content": [torn, CALL, numbered]}}) as url:
        assert _ask(url) == [CALL]


@contextmanager
def _refusing(code: int, said: str) -> Iterator[str]:
    """A server that answers everything with this."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(code)
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            self.wfile.write(said.encode())

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (413, "request_too_large"),
        (400, "prompt is too long: 9000 tokens, the model's context is 8192; shorten it"),
        (400, "This model's maximum context length is 4096 tokens."),
        (400, "The decoder prompt is longer than the maximum model length of 4096."),
        (400, "the request exceeds the available context size"),
    ],
)
def test_a_request_that_is_too_long_has_an_empty_answer(code: int, said: str) -> None:
    with _refusing(code, said) as url:
        assert _ask(url) == []


@pytest.mark.parametrize(
    ("code", "said"), [(400, "temperature: 3 is above 1"), (422, "body.tools: unknown"), (401, "no key")]
)
def test_a_request_that_is_refused_ends_the_run_with_what_was_said(code: int, said: str) -> None:
    with _refusing(code, said) as url, pytest.raises(EndpointUnfit) as caught:
        _ask(url)

    assert f"answers {code} ({said}); check MODEL and --token-file" in str(caught.value)


@pytest.mark.parametrize("reply", [b"[1]", b'{"content": "words"}', b'{"content": [{"type": "text"}, 3]}'])
def test_what_is_no_answer_is_an_empty_one(reply: bytes) -> None:
    with serving({"/v1/messages": reply}) as url:
        assert _ask(url) == []


def test_a_server_that_is_not_there_can_be_asked_later() -> None:
    with serving({}) as url:
        pass

    with pytest.raises(EndpointUnreachable, match="start the server, then run the same command again"):
        _ask(url)


def test_a_model_that_it_does_not_know_is_a_persons_to_mend() -> None:
    with serving({}) as url, pytest.raises(EndpointUnfit, match="answers 404"):
        _ask(url)


def test_another_place_or_name_is_another_answerer() -> None:
    models = [
        EndpointAnswerer("http://a", "m"),
        EndpointAnswerer("http://b", "m"),
        EndpointAnswerer("http://a", "n"),
    ]

    assert len({model.digest for model in models}) == 3
