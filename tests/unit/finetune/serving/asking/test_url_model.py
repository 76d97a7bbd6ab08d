# SPDX-License-Identifier: Apache-2.0
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from node0.errors import ConfigError, EngineBusy, EngineUnavailable, Node0Error, NotFound
from node0.finetune.chat.messages import Request
from node0.finetune.inference.reply import Answering
from node0.finetune.serving.asking.url_model import UrlModel
from node0.finetune.serving.sent_events import LARGEST_EVENT

URL = "http://127.0.0.1:9"
TOOL: Any = {"name": "Bash", "description": "Run.", "input_schema": {"type": "object"}}
ASKED: Request = {"system": "Be short.", "tools": [TOOL], "messages": [{"role": "user", "content": "hi"}]}


class Server:
    """Answers each post with the next events, or with an error; notes what it was asked."""

    def __init__(self, *answers: list[dict[str, Any]] | httpx.Response) -> None:
        self.requests: list[httpx.Request] = []
        self.models: httpx.Response = httpx.Response(200, json={"data": [{"id": "a"}, {"id": "b"}]})
        self._answers: Iterator[list[dict[str, Any]] | httpx.Response] = iter(answers)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        if request.method == "GET":
            return self.models
        answer = next(self._answers)
        if isinstance(answer, httpx.Response):
            return answer
        lines = [*map(json.dumps, answer), "[DONE]"]
        return httpx.Response(200, text="".join(f"data: {line}\n\n" for line in lines))

    def model(self, name: str | None = None, **options: Any) -> UrlModel:
        return UrlModel(URL, name, client=httpx.Client(transport=httpx.MockTransport(self)), **options)

    @property
    def body(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.requests[-1].content)
        return found


def _delta(**delta: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": None}]}


def _end(reason: str) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]}


def _part(**given: Any) -> dict[str, Any]:
    return _delta(tool_calls=[given])


USAGE = {"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 2}}
CALLS = [
    _delta(content="I look."),
    _part(index=0, id="c1", function={"name": "Bash", "arguments": '{"comm'}),
    _part(index=0, function={"arguments": 'and": "ls"}'}),
    _part(index=1, id="c2", function={"name": "Bash", "arguments": "{}"}),
    _end("tool_calls"),
]


def test_words_come_as_they_come_and_figures_at_the_end() -> None:
    words = [_delta(role="assistant"), _delta(content="Good "), _delta(content="day.")]
    server = Server([*words, _end("length"), USAGE])

    reply = server.model("b").ask(ASKED, Answering(max_tokens=9, temperature=0.5, seed=0))

    assert list(reply) == ["Good ", "day."]
    assert (reply.ending, reply.prompt_tokens, reply.answer_tokens) == ("length", 7, 2)
    body = server.body
    assert (body["model"], body["stream"], body["max_tokens"], body["seed"]) == ("b", True, 9, 0)
    assert "stop" not in body and "top_k" not in body
    assert [turn["role"] for turn in body["messages"]] == ["system", "user"]
    assert body["tools"][0]["function"]["name"] == "Bash"


def test_calls_are_joined_from_their_parts_or_written_as_text() -> None:
    server = Server(CALLS, CALLS)
    model = server.model()

    words, first, second = model.ask(ASKED, Answering())
    text = "".join(map(str, model.ask(ASKED, Answering(), calls=False)))

    assert words == "I look."
    assert first == {"type": "tool_use", "id": "c1", "name": "Bash", "input": {"command": "ls"}}
    assert isinstance(second, dict) and second["id"] == "c2"
    assert text.startswith(
        'I look.<tool_call>\n{"name": "Bash", "arguments": {"command": "ls"}}\n</tool_call>'
    )


def test_arguments_that_are_no_object_stay_text() -> None:
    server = Server([_part(index=0, id="c1", function={"name": "Bash", "arguments": '["ls"'})])

    (text,) = server.model().ask(ASKED, Answering())

    assert isinstance(text, str) and '["ls"' in text


def test_the_history_goes_out_with_its_calls_and_results() -> None:
    server = Server([_delta(content="ok")])
    call: Any = {"type": "tool_use", "id": "c1", "name": "Bash", "input": {"command": "ls"}}
    result: Any = {"type": "tool_result", "tool_use_id": "c1", "content": "empty"}
    turns: Any = [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": [call]},
        {"role": "user", "content": [result]},
    ]

    list(server.model().ask({"system": "", "tools": [], "messages": turns}, Answering()))

    _, assistant, tool = server.body["messages"]
    assert json.loads(assistant["tool_calls"][0]["function"]["arguments"]) == {"command": "ls"}
    assert tool == {"role": "tool", "tool_call_id": "c1", "content": "empty"}


def test_a_text_is_continued_at_the_other_endpoint() -> None:
    server = Server([{"choices": [{"text": "lo", "finish_reason": "stop"}]}])

    reply = server.model().continue_text("hel", Answering(stop=("x",), top_k=3))

    assert (list(reply), reply.ending) == (["lo"], "end")
    assert server.requests[-1].url.path == "/v1/completions"
    assert (server.body["prompt"], server.body["stop"], server.body["top_k"]) == ("hel", ["x"], 3)


def test_the_first_model_is_taken_and_an_unknown_one_refused_with_those_there_are() -> None:
    assert Server().model().name == "a"
    with pytest.raises(NotFound, match="it has: a, b"):
        Server().model("c")


@pytest.mark.parametrize("url", [URL, f"{URL}/", f"{URL}/v1", f"{URL}/v1/"])
def test_a_url_may_name_the_api_too(url: str) -> None:
    server = Server()

    model = UrlModel(url, token="s" * 16, client=httpx.Client(transport=httpx.MockTransport(server)))

    assert str(server.requests[0].url) == f"{URL}/v1/models"
    assert server.requests[0].headers["authorization"] == f"Bearer {'s' * 16}"
    assert model.about == f"at {URL}"


@pytest.mark.parametrize(
    ("status", "kind", "told"),
    [
        (400, ConfigError, "answers 400: too long"),
        (401, ConfigError, "--token-file"),
        (429, EngineBusy, "ask again later"),
        (529, EngineBusy, "ask again later"),
        (502, EngineUnavailable, "see its log"),
    ],
)
def test_a_refusal_is_an_error_of_its_kind_and_the_next_is_answered(
    status: int, kind: type[Node0Error], told: str
) -> None:
    refusal = httpx.Response(status, json={"error": {"message": "too\nlong"}})
    model = Server(refusal, [_delta(content="ok")]).model()

    with pytest.raises(kind, match=told):
        list(model.ask(ASKED, Answering()))

    assert list(model.ask(ASKED, Answering())) == ["ok"]


def test_an_answer_that_breaks_off_is_an_error_after_its_words() -> None:
    server = Server([_delta(content="Good"), {"error": {"message": "engine failed"}}])
    reply = iter(server.model().ask(ASKED, Answering()))

    assert next(reply) == "Good"
    with pytest.raises(EngineUnavailable, match="broke off: engine failed"):
        next(reply)


def test_an_answer_without_an_end_of_its_line_is_not_read_on() -> None:
    sent: list[int] = []

    def endless() -> Iterator[bytes]:
        yield b'data: {"choices": [{"delta": {"content": "Good"}}]}\n\ndata: '
        while len(sent) < 1000:
            sent.append(1 << 16)
            yield b"x" * (1 << 16)

    reply = iter(Server(httpx.Response(200, content=endless())).model().ask(ASKED, Answering()))

    assert next(reply) == "Good"
    with pytest.raises(EngineUnavailable) as raised:
        next(reply)
    assert str(raised.value) == f"{URL} sent an event without an end; see its log"
    assert sum(sent) <= 2 * LARGEST_EVENT


def test_a_break_within_a_text_ends_no_line() -> None:
    event = json.dumps(_delta(content="a\u2028b\x85c"), ensure_ascii=False)

    reply = Server(httpx.Response(200, text=f"data: {event}\n\n")).model().ask(ASKED, Answering())

    assert list(reply) == ["a\u2028b\x85c"]


def test_what_is_no_openai_server_is_said() -> None:
    server = Server()
    server.models = httpx.Response(200, text="<html>")

    with pytest.raises(EngineUnavailable, match="is no OpenAI server; check the URL"):
        server.model()
    with pytest.raises(EngineUnavailable, match="does not answer"):
        UrlModel("http://127.0.0.1:9")
    with pytest.raises(ConfigError, match="'no url' is no URL"):
        UrlModel("no url")
    with pytest.raises(ConfigError, match="'http://localhost:abc' is no URL"):
        UrlModel("http://localhost:abc")
