# SPDX-License-Identifier: Apache-2.0
"""A server process, asked by the `openai` and `anthropic` clients as their users ask."""

import json
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anthropic
import httpx
import openai
import pytest
from integration.served_process import (
    COMMAND,
    Served,
    anthropic_client,
    computed_ids,
    openai_client,
    serving,
)
from serving_parts import ScriptedHttpEngine, encode, scripted_http_engine
from thread_time import waited_for_a_core
from tiny_chat import BASH
from tiny_run import make_base

from node0.finetune.deploy.endpoint import Endpoint, Wanted, probe

pytestmark = pytest.mark.integration

CONTEXT = 32_768
GOES_ON = 200
"Ids at most that are computed for whoever has left; it takes a moment to be noticed."

SHOUT: Any = [{"role": "user", "content": "Look at rust."}]
GREEDY: dict[str, Any] = {"model": "tiny", "messages": SHOUT, "max_tokens": 24, "temperature": 0}
FUNCTION: Any = {
    "type": "function",
    "function": {"name": "Bash", "description": "Run.", "parameters": BASH["input_schema"]},
}
CALLS = "".join(
    f'<tool_call>{{"name":"Bash","arguments":{{"command":"{name}"}}}}</tool_call>'
    for name in ("gt status", "gt peek rust")
)


def in_anthropics(asked: dict[str, Any]) -> dict[str, Any]:
    """The same for a client whose newest models take no temperature."""
    rest = {name: value for name, value in asked.items() if name != "temperature"}
    return {**rest, "extra_body": {"temperature": asked["temperature"]}}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_base(tmp_path_factory.mktemp("model"), max_seq_len=CONTEXT)


@pytest.fixture(scope="module")
def own(base: Path) -> Iterator[Served]:
    """One place, and none to wait in."""
    with serving(
        "--model", f"tiny={base}", "--max-running", "1", "--max-waiting", "0", "--max-body-mib", "1"
    ) as served:
        yield served


@pytest.fixture(scope="module")
def behind(base: Path) -> Iterator[tuple[Served, ScriptedHttpEngine]]:
    """The gateway before an engine that says what it is told."""
    with (
        scripted_http_engine() as engine,
        serving("--model", f"tiny={base}", "--engine", "vllm", "--engine-url", engine.url) as served,
    ):
        yield served, engine


def test_a_sign_of_life_comes_within_two_seconds_before_anything_heavy_is_loaded() -> None:
    seconds = []

    while len(seconds) < 5 and min(seconds, default=2.0) >= 2:  # other work on the machine does not count
        began = time.monotonic()
        with subprocess.Popen([*COMMAND, "--model", "deacon"], stderr=subprocess.PIPE, text=True) as process:
            assert process.stderr is not None
            line = process.stderr.readline()
            seconds.append(time.monotonic() - began - waited_for_a_core(process.pid))
            process.kill()

    assert line == "loading deacon\n"
    assert min(seconds) < 2


def test_anthropics_client_gets_the_same_words_whole_and_streamed(own: Served) -> None:
    with anthropic_client(own) as client:
        whole = client.messages.create(**in_anthropics(GREEDY))
        with client.messages.stream(**in_anthropics(GREEDY)) as stream:
            text = "".join(stream.text_stream)
            final = stream.get_final_message()
        counted = client.messages.count_tokens(model="tiny", messages=SHOUT)

    assert [block.text for block in whole.content] == [text.strip()] == [final.content[0].text]
    assert (whole.stop_reason, whole.usage.output_tokens) == ("max_tokens", 24)
    usages = (whole.usage, final.usage)
    assert {usage.input_tokens + (usage.cache_read_input_tokens or 0) for usage in usages} == {
        counted.input_tokens
    }
    assert final.usage.cache_read_input_tokens == counted.input_tokens - 1


def test_openais_client_gets_the_same_words_whole_and_streamed(own: Served) -> None:
    with openai_client(own) as client:
        whole = client.chat.completions.create(**GREEDY)
        chunks = list(
            client.chat.completions.create(**GREEDY, stream=True, stream_options={"include_usage": True})
        )
    said = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)

    assert whole.choices[0].message.content == said
    assert whole.choices[0].finish_reason == chunks[-2].choices[0].finish_reason == "length"
    assert whole.usage and whole.usage == chunks[-1].usage


def test_a_seed_repeats_an_answer_and_another_seed_does_not(own: Served) -> None:
    asked = {**GREEDY, "temperature": 1.0}
    with openai_client(own) as client:
        texts = [
            client.chat.completions.create(**asked, seed=seed).choices[0].message.content
            for seed in (5, 5, 6)
        ]

    assert texts[0] == texts[1] != texts[2]


def test_a_deployment_would_accept_this_endpoint(own: Served) -> None:
    probe(Endpoint(kind="own", url=own.url), Wanted(model="tiny", context_window=CONTEXT))


def test_two_calls_at_once_and_their_results_in_anthropics_words(
    behind: tuple[Served, ScriptedHttpEngine],
) -> None:
    served, engine = behind
    engine.texts, first = [f"Two looks.{CALLS}", "Well."], len(engine.bodies)
    asked: dict[str, Any] = {
        "model": "tiny",
        "max_tokens": 500,
        "tools": [BASH],
        "tool_choice": {"type": "any"},
    }

    with anthropic_client(served) as client:
        with client.messages.stream(**asked, messages=SHOUT) as stream:
            said = stream.get_final_message()
        calls = [block for block in said.content if block.type == "tool_use"]
        results: list[Any] = [
            {"type": "tool_result", "tool_use_id": call.id, "content": f"fine {number}"}
            for number, call in enumerate(calls)
        ]
        turns = [*SHOUT, {"role": "assistant", "content": said.content}, {"role": "user", "content": results}]
        end = client.messages.create(**asked, messages=turns)

    assert [call.input for call in calls] == [{"command": "gt status"}, {"command": "gt peek rust"}]
    assert (said.stop_reason, end.stop_reason, end.content[0].text) == ("tool_use", "end_turn", "Well.")
    # What was asked and answered before is, id for id, what the next request begins with.
    before, after = (body["prompt"] for body in engine.bodies[first:])
    assert after[: len(before)] == before
    assert after[len(before) :][: len(encode(f"Two looks.{CALLS}"))] == encode(f"Two looks.{CALLS}")


def test_two_calls_at_once_and_their_results_in_openais_words(
    behind: tuple[Served, ScriptedHttpEngine],
) -> None:
    served, engine = behind
    engine.texts, first = [f"Two looks.{CALLS}", "Well."], len(engine.bodies)
    asked: dict[str, Any] = {"model": "tiny", "max_tokens": 500, "tools": [FUNCTION]}

    with openai_client(served) as client:
        message = client.chat.completions.create(**asked, messages=SHOUT).choices[0].message
        results = [
            {"role": "tool", "tool_call_id": call.id, "content": "fine"} for call in message.tool_calls or ()
        ]
        turns = [*SHOUT, message.model_dump(exclude_none=True), *results]
        end = client.chat.completions.create(**asked, messages=turns).choices[0]

    commands = [
        json.loads(call.function.arguments) for call in message.tool_calls or () if call.type == "function"
    ]
    assert commands == [{"command": "gt status"}, {"command": "gt peek rust"}]
    assert (message.content, end.message.content, end.finish_reason) == ("Two looks.", "Well.", "stop")
    before, after = (body["prompt"] for body in engine.bodies[first:])
    assert after[: len(before)] == before


def test_an_answer_ends_before_a_stop_string(behind: tuple[Served, ScriptedHttpEngine]) -> None:
    served, engine = behind
    engine.texts = ["one STOP two"] * 2

    with anthropic_client(served) as client:
        said = client.messages.create(**in_anthropics(GREEDY), stop_sequences=["STOP"])
    with openai_client(served) as client:
        choice = client.chat.completions.create(**GREEDY, stop="STOP").choices[0]

    assert (said.content[0].text, said.stop_reason, said.stop_sequence) == ("one ", "stop_sequence", "STOP")
    assert (choice.message.content, choice.finish_reason) == ("one ", "stop")


def test_a_client_that_leaves_a_stream_is_told_to_the_engine(
    behind: tuple[Served, ScriptedHttpEngine],
) -> None:
    served, engine = behind
    engine.texts, engine.hold = ["a long answer"], threading.Event()
    try:
        with openai_client(served) as client:
            stream = client.chat.completions.create(**GREEDY, stream=True)
            next(iter(stream))
            stream.close()

        assert engine.cut.wait(60)  # until then the engine holds its answer back
    finally:
        engine.hold = None


def test_an_engine_that_fails_is_the_servers_error(behind: tuple[Served, ScriptedHttpEngine]) -> None:
    served, engine = behind
    engine.status = 500
    try:
        with anthropic_client(served) as client, pytest.raises(anthropic.InternalServerError, match="500"):
            client.messages.create(**in_anthropics(GREEDY))
        with (
            openai_client(served) as client,
            pytest.raises(openai.InternalServerError, match="no such model"),
        ):
            client.chat.completions.create(**GREEDY)
        assert httpx.get(f"{served.url}/ready", trust_env=False).status_code == 503
    finally:
        engine.status = 200


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"model": "nobody"}, 404),
        ({"max_tokens": -1}, 400),
        ({"messages": [{"role": "user", "content": "x" * CONTEXT}]}, 400),
        ({"temperature": -1}, 400),
        ({"messages": [{"role": "user", "content": "x" * (2 << 20)}]}, 413),
    ],
    ids=["model", "length", "context", "temperature", "size"],
)
def test_errors_are_the_clients_own_exceptions(own: Served, changes: dict[str, Any], status: int) -> None:
    kinds: dict[int, tuple[type[Exception], type[Exception]]] = {
        400: (anthropic.BadRequestError, openai.BadRequestError),
        404: (anthropic.NotFoundError, openai.NotFoundError),
        413: (anthropic.RequestTooLargeError, openai.APIStatusError),
    }
    with anthropic_client(own) as client, pytest.raises(kinds[status][0]) as first:
        client.messages.create(**in_anthropics({**GREEDY, **changes}))
    with openai_client(own) as other, pytest.raises(kinds[status][1]) as second:
        other.chat.completions.create(**{**GREEDY, **changes})

    assert [caught.value.status_code for caught in (first, second)] == [status, status]  # type: ignore[attr-defined]  # both have it
    assert "x" * 100 not in str(second.value)


def test_when_all_places_are_taken_clients_are_told_and_a_stream_that_is_left_frees_its_place(
    own: Served,
) -> None:
    endless: dict[str, Any] = {"model": "tiny", "prompt": [1, 2, 3], "max_tokens": 32_000, "temperature": 0}
    computed = []

    with openai_client(own) as client, anthropic_client(own) as other:
        for _ in range(3):
            stream = client.completions.create(**endless, stream=True)
            next(iter(stream))
            with pytest.raises(openai.InternalServerError, match="wait for model"):
                client.completions.create(**endless)
            with pytest.raises(anthropic.OverloadedError) as refused:
                other.messages.create(**in_anthropics(GREEDY))
            assert (refused.value.status_code, refused.value.body["error"]["type"]) == (
                529,
                "overloaded_error",
            )  # type: ignore[index]  # a body of JSON
            before = computed_ids(own.url)
            stream.close()
            _until_answered(client)
            computed.append(computed_ids(own.url) - before)

    assert min(computed) < GOES_ON


def _until_answered(client: openai.OpenAI) -> None:
    while True:  # as long as the stream that was left would take, if it went on
        try:
            client.completions.create(model="tiny", prompt=[1], max_tokens=1)
            return
        except openai.InternalServerError:
            time.sleep(0.005)


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"POST /v1/messages HTTP/1.1\r\nHost: localhost\r\nContent-Length: 104857600\r\n\r\n", b"413"),
        (
            b"POST /v1/messages HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n"
            b"Content-Length: 5\r\n\r\nabcde",
            b"400",
        ),
        (
            b"POST /v1/messages HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked, identity\r\n\r\n",
            b"400",
        ),
        (b"POST /v1/messages HTTP/1.1\r\nHost: evil.example\r\nContent-Length: 2\r\n\r\n{}", b"403"),
        (b"GET /health HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 200_000 + b"\r\n\r\n", b"4"),
    ],
    ids=["huge", "two-lengths", "coding", "rebound", "header"],
)
def test_hostile_requests_are_refused_and_the_server_lives(own: Served, head: bytes, status: bytes) -> None:
    host, port = own.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(head)
        told = connection.recv(4096)

    assert told.startswith(b"HTTP/1.1 " + status)
    assert httpx.get(f"{own.url}/health", trust_env=False).status_code == 200


def test_with_tokens_clients_need_one_and_have_its_quota(base: Path, tmp_path: Path) -> None:
    tokens, settings = tmp_path / "tokens", tmp_path / ".models" / "settings.yaml"
    tokens.write_text("0123456789abcdef\nfedcba9876543210 witness grant.json\n")
    tokens.chmod(0o600)
    settings.parent.mkdir()
    settings.write_text("serving: {standard: {requests_per_minute: 1}}\n")
    (tmp_path / "grant.json").write_text('{"model_access": {"extended_quota": true}}')
    reach: list[str | Path] = ["--host", "0.0.0.0", "--token-file", tokens, "--town", tmp_path]

    with serving("--model", f"tiny={base}", *reach) as served:
        served.url = served.url.replace("0.0.0.0", "127.0.0.1")
        with openai_client(served) as client, pytest.raises(openai.AuthenticationError):
            client.models.list()
        with anthropic_client(served) as other, pytest.raises(anthropic.AuthenticationError):
            other.models.list()
        with (
            openai_client(served, key="0123456789abcdef") as client,
            anthropic_client(served, key="0123456789abcdef") as other,
            anthropic_client(served, key="fedcba9876543210") as contributor,
        ):
            assert [model.id for model in client.models.list()] == ["tiny"]
            assert [model.id for model in other.models.list()] == ["tiny"]
            client.chat.completions.create(**GREEDY)
            with pytest.raises(openai.RateLimitError, match="1 requests a minute") as refused:
                client.chat.completions.create(**GREEDY)
            assert 0 < int(refused.value.response.headers["retry-after"]) <= 60
            with pytest.raises(anthropic.RateLimitError, match="key1 may have"):
                other.messages.create(**in_anthropics(GREEDY))
            for _ in range(2):
                contributor.messages.create(**in_anthropics(GREEDY))
        assert served.stop(signal.SIGINT) == 0


def test_sigterm_lets_an_answer_finish_takes_no_more_and_exits_with_0(base: Path) -> None:
    with serving("--model", f"tiny={base}") as served, openai_client(served) as client:
        asked: dict[str, Any] = {"model": "tiny", "prompt": [1, 2, 3], "max_tokens": 1500, "temperature": 0}
        stream = iter(client.completions.create(**asked, stream=True, stream_options={"include_usage": True}))
        next(stream)
        served.process.send_signal(signal.SIGTERM)
        *_, last = stream
        code = served.process.wait(60)

        with pytest.raises(httpx.ConnectError):
            httpx.get(f"{served.url}/health", trust_env=False)

    assert last.usage is not None and last.usage.completion_tokens == 1500
    assert code == 0
    assert served.said[-1].startswith("stopped")
