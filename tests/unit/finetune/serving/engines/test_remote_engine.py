# SPDX-License-Identifier: Apache-2.0
import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from typing import TypeVar

import httpx
import pytest
from serving_parts import END, encode, scripted_http_engine

from node0.errors import ConfigError, EngineUnavailable
from node0.finetune.serving.constraint import AnswerForm, Constraint
from node0.finetune.serving.engines.llama_server_dialect import LlamaServerDialect
from node0.finetune.serving.engines.remote_engine import Dialect, RemoteEngine
from node0.finetune.serving.engines.sglang_dialect import SglangDialect
from node0.finetune.serving.engines.token_engine import GenerationRequest
from node0.finetune.serving.engines.vllm_dialect import VllmDialect

T = TypeVar("T")
REQUEST = GenerationRequest("deacon", (1, 2, 3), 8, (END,))
DIALECTS = [VllmDialect(), LlamaServerDialect(), SglangDialect()]
EACH = pytest.mark.parametrize("dialect", DIALECTS, ids=["vllm", "llama", "sglang"])


def with_engine(url: str, dialect: Dialect, work: Callable[[RemoteEngine], Awaitable[T]]) -> T:
    async def run() -> T:
        engine = RemoteEngine(url, dialect, token="secret-secret-secret")
        try:
            return await work(engine)
        finally:
            await engine.close()

    return asyncio.run(run())


async def answer(engine: RemoteEngine) -> list[int]:
    return [token.id async for token in await engine.open(REQUEST)]


@EACH
def test_ids_go_out_and_ids_come_back(dialect: Dialect) -> None:
    with scripted_http_engine("Well.") as http:
        ids = with_engine(http.url, dialect, answer)

    assert ids == [*encode("Well."), END]
    assert http.bodies[0].get("prompt", http.bodies[0].get("input_ids")) == [1, 2, 3]


@EACH
def test_an_answer_of_another_prompt_is_refused(dialect: Dialect) -> None:
    with scripted_http_engine("Well.") as http:
        http.prompt_read = [1, 1, 2, 3]
        with pytest.raises(EngineUnavailable, match="unchanged"):
            with_engine(http.url, dialect, answer)


def test_a_mask_of_ids_is_refused_before_anything_is_sent() -> None:
    class All:
        def allowed(self) -> None:
            return None

        def accept(self, token_id: int) -> None:
            pass

    with scripted_http_engine("Well.") as http, pytest.raises(ConfigError, match="takes no mask"):
        with_engine(http.url, VllmDialect(), lambda engine: engine.open(replace(REQUEST, mask=All())))
    assert not http.bodies


FORM = AnswerForm(Constraint(tools=(("Bash", {"type": "object"}),), forced=True), "tagged")


def test_an_answer_of_a_form_is_asked_for_with_what_binds_it() -> None:
    bound = replace(REQUEST, form=FORM)
    with scripted_http_engine("Well.", "Well.") as http:
        for dialect in (VllmDialect(), LlamaServerDialect()):
            with_engine(http.url, dialect, lambda engine: engine.open(bound))

    vllm, learnt, llama = http.bodies
    assert vllm["structured_outputs"]["grammar"].startswith("%llguidance")
    assert (learnt["json_schema"], learnt["n_predict"]) == ({"type": "object"}, 0)
    assert llama["grammar"].startswith("root ::= calls") and llama["stream"]


@EACH
def test_a_form_that_the_engine_refuses_is_the_requests_fault(dialect: Dialect) -> None:
    bound = replace(REQUEST, form=FORM)
    with scripted_http_engine() as http:
        http.status = 400
        with pytest.raises(ConfigError, match=r"answers 400 .*make the schema simpler|behind SGLang"):
            with_engine(http.url, dialect, lambda engine: engine.open(bound))


@pytest.mark.parametrize(("code", "error"), [(400, ConfigError), (500, EngineUnavailable)])
def test_a_form_that_is_refused_within_the_answer_comes_with_advice(
    code: int, error: type[Exception]
) -> None:
    engine = RemoteEngine("http://127.0.0.1:9", VllmDialect())

    with pytest.raises(error, match=r"\(bad grammar\).*backend guidance"):
        engine.new_tokens({"error": {"message": "bad grammar", "code": code}}, replace(REQUEST, form=FORM), 0)
    asyncio.run(engine.close())


def test_an_engine_that_tells_no_object_is_refused() -> None:
    async def run(body: bytes) -> None:
        transport = httpx.MockTransport(lambda _: httpx.Response(200, content=body))
        client = httpx.AsyncClient(transport=transport)
        engine = RemoteEngine("http://127.0.0.1:9", LlamaServerDialect(), client=client)
        try:
            await engine.open(replace(REQUEST, form=FORM))
        finally:
            await engine.close()

    for body in (b"[]", b"{torn", b"\xff"):
        with pytest.raises(EngineUnavailable, match="no JSON object"):
            asyncio.run(run(body))


def test_closing_an_answer_closes_the_connection() -> None:
    async def leave(engine: RemoteEngine) -> dict[str, int]:
        stream = await engine.open(REQUEST)
        await anext(stream)
        assert engine.waiting() == {"deacon": 1}
        await stream.aclose()
        await stream.aclose()
        return engine.waiting()

    with scripted_http_engine("Well.") as http:
        http.hold = threading.Event()
        left = with_engine(http.url, VllmDialect(), leave)

        assert http.cut.wait(5)
    assert left == {"deacon": 0}


def test_a_refusal_says_what_the_engine_said() -> None:
    with scripted_http_engine() as http:
        http.status = 404
        with pytest.raises(EngineUnavailable, match=r"answers 404 .*no such model"):
            with_engine(http.url, VllmDialect(), answer)
        assert with_engine(http.url, VllmDialect(), RemoteEngine.ready) == "the engine answers 404"


@pytest.mark.parametrize("error", [{"message": "out of memory"}, "out of memory"])
def test_an_error_in_an_answer_is_passed_on(error: object) -> None:
    engine = RemoteEngine("http://127.0.0.1:9", VllmDialect())

    with pytest.raises(EngineUnavailable, match="out of memory"):
        engine.new_tokens({"error": error}, REQUEST, 0)
    asyncio.run(engine.close())


def test_an_engine_that_does_not_run_is_named() -> None:
    with scripted_http_engine() as http:
        url = http.url

    with pytest.raises(EngineUnavailable, match="does not answer"):
        with_engine(url, VllmDialect(), answer)
    assert "does not answer" in with_engine(url, VllmDialect(), RemoteEngine.ready)


def test_an_address_that_can_be_none_is_refused_at_once() -> None:
    with pytest.raises(ConfigError, match="'http://localhost:abc' is no URL"):
        RemoteEngine("http://localhost:abc", VllmDialect())


@pytest.mark.parametrize("hangs", [False, True])
def test_an_answer_ends_where_the_engine_says_so_or_goes(hangs: bool) -> None:
    event = b'data: {"choices": [{"token_ids": [5], "prompt_token_ids": [1, 2, 3]}]}'

    async def sent() -> AsyncIterator[bytes]:
        yield event
        if hangs:
            yield b"\n\ndata: [DONE]\n\n"
            raise AssertionError("it was read on")

    async def run() -> list[int]:
        transport = httpx.MockTransport(lambda _: httpx.Response(200, content=sent()))
        client = httpx.AsyncClient(transport=transport)
        engine = RemoteEngine("http://127.0.0.1:9", VllmDialect(), client=client)
        try:
            return await answer(engine)
        finally:
            await engine.close()

    assert asyncio.run(run()) == [5]


def test_an_engine_that_answers_is_ready() -> None:
    with scripted_http_engine() as http:
        assert with_engine(http.url, VllmDialect(), RemoteEngine.ready) == ""
