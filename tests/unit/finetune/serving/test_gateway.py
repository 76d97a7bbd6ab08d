# SPDX-License-Identifier: Apache-2.0
import asyncio
from typing import Any

import pytest
from serving_parts import (
    END,
    ScriptedEngine,
    ScriptedHttpEngine,
    encode,
    scripted_http_engine,
    served,
)
from tiny_chat import BASH, user

from node0.errors import ConfigError
from node0.finetune.serving.constraint import Constraint
from node0.finetune.serving.engines.llama_server_dialect import LlamaServerDialect
from node0.finetune.serving.engines.remote_engine import RemoteEngine
from node0.finetune.serving.gateway import Answer, Drawing, Gateway
from node0.finetune.serving.served_models import ModelCatalogue, ServedModel

REQUEST: Any = {"system": "Card.", "tools": [BASH], "messages": [user("Look.")]}


def answered(
    engine: ScriptedEngine,
    drawing: Drawing,
    *,
    model: ServedModel | None = None,
    calls: bool = True,
    follows_masks: bool = True,
) -> tuple[list[Any], Answer]:
    async def run() -> tuple[list[Any], Answer]:
        chosen = model or served()
        gateway = Gateway(ModelCatalogue([chosen]), engine, follows_masks=follows_masks)
        answer = await gateway.ask(chosen, REQUEST, drawing, calls=calls)
        return [piece async for piece in answer.pieces()], answer

    return asyncio.run(run())


def test_the_engine_is_sent_the_ids_that_the_renderer_gives() -> None:
    engine, model = ScriptedEngine("Well."), served()

    answered(engine, Drawing(), model=model)

    assert engine.requests[0].prompt == tuple(model.renderer.prompt_ids(REQUEST))
    assert engine.requests[0].stop_ids == (END,)


def test_ids_become_words_and_calls_and_the_stop_id_is_neither() -> None:
    call = '<tool_call>{"name":"Bash","arguments":{"command":"ls"}}</tool_call>'
    pieces, answer = answered(ScriptedEngine(f"I look.{call}"), Drawing(max_tokens=500))

    assert "".join(piece for piece in pieces if isinstance(piece, str)) == "I look."
    assert [piece["input"] for piece in pieces if not isinstance(piece, str)] == [{"command": "ls"}]
    assert (answer.ending, answer.called, answer.ids) == ("end", True, encode(f"I look.{call}"))


def test_text_that_an_engine_tells_without_its_ids_stands_in_the_answer_and_is_counted() -> None:
    async def run(http: ScriptedHttpEngine, limit: int) -> tuple[str, Answer]:
        model, engine = served(), RemoteEngine(http.url, LlamaServerDialect())
        try:
            answer = await Gateway(ModelCatalogue([model]), engine).ask(model, REQUEST, Drawing(limit))
            return "".join([str(piece) async for piece in answer.pieces()]), answer
        finally:
            await engine.close()

    with scripted_http_engine("Größe 🙂 da", "Größe 🙂 da") as http:
        whole, answer = asyncio.run(run(http, 99))
        cut, short = asyncio.run(run(http, 5))

    assert (whole, len(answer.tokens), answer.ending) == ("Größe 🙂 da", len("Größe 🙂 da".encode()), "end")
    assert (cut, len(short.tokens), short.ending) == ("Grö", 5, "length")


def test_without_tools_what_looks_like_a_call_stays_text() -> None:
    pieces, answer = answered(ScriptedEngine('{"name":"Bash","arguments":{}}'), Drawing(), calls=False)

    assert "".join(pieces) == '{"name":"Bash","arguments":{}}'
    assert not answer.called


def test_an_answer_ends_before_a_stop_string_and_its_engine_is_closed() -> None:
    engine = ScriptedEngine("one STOP two")
    pieces, answer = answered(engine, Drawing(stop=("never", "STOP")))

    assert "".join(pieces) == "one"
    assert (answer.ending, answer.text.stopped_by) == ("stop_string", "STOP")
    assert engine.streams[0].closed


def test_an_answer_ends_at_its_limit_whatever_the_engine_goes_on_to_say() -> None:
    pieces, answer = answered(ScriptedEngine("abcdef", end=False), Drawing(max_tokens=3))

    assert ("".join(pieces), answer.ending) == ("abc", "length")


def test_an_answer_may_be_no_longer_than_the_context_leaves_room_for() -> None:
    engine, model = ScriptedEngine(""), served()
    used = len(model.renderer.prompt_ids(REQUEST))

    answered(engine, Drawing(max_tokens=9999), model=served(context=used + 7))

    assert engine.requests[0].max_tokens == 7


@pytest.mark.parametrize(
    ("ids", "message"), [([], "empty"), ([1] * 64, "too long: 64 tokens"), ([99999], "not in 0..")]
)
def test_a_prompt_that_the_model_cannot_read_reaches_no_engine(ids: list[int], message: str) -> None:
    engine, model = ScriptedEngine(), served(context=64)

    with pytest.raises(ConfigError, match=message):
        asyncio.run(Gateway(ModelCatalogue([model]), engine).open(model, ids, Drawing()))
    assert not engine.requests


def test_each_of_several_answers_has_a_seed_of_its_own() -> None:
    seeds = [Drawing(seed=5).sampling(number).seed for number in (0, 1, 0)]

    assert seeds == [5, 6, 5]
    assert Drawing().sampling(3).seed is None


def test_a_constraint_becomes_a_mask_of_each_answers_own() -> None:
    engine = ScriptedEngine("{}", "{}")
    drawing = Drawing(constraint=Constraint(schema={"type": "object"}))
    answered(engine, drawing)
    answered(engine, drawing)

    first, second = (request.mask for request in engine.requests)
    assert first is not None and first is not second
    allowed = first.allowed()
    assert allowed is not None and allowed.nonzero().flatten().tolist() == encode("{")


def test_without_a_constraint_nothing_is_asked_of_an_answer() -> None:
    engines = ScriptedEngine("x"), ScriptedEngine("x")
    for engine, follows in zip(engines, (True, False), strict=True):
        answered(engine, Drawing(constraint=Constraint(one_call=True)), follows_masks=follows)

    assert [(engine.requests[0].mask, engine.requests[0].form) for engine in engines] == [(None, None)] * 2


def test_an_engine_that_makes_masks_of_its_own_is_told_the_form() -> None:
    engine, calls = ScriptedEngine("x"), Constraint(tools=(("Bash", {}),), forced=True)
    answered(engine, Drawing(constraint=calls), follows_masks=False)

    (request,) = engine.requests
    assert request.mask is None and request.form is not None
    assert (request.form.constraint, request.form.calls) == (calls, "tagged")


def test_after_the_one_call_that_was_allowed_the_engine_is_closed() -> None:
    call = '<tool_call>{"name":"Bash","arguments":{"command":"ls"}}</tool_call>'
    engine = ScriptedEngine(call * 3, hang=True, end=False)
    pieces, answer = answered(engine, Drawing(constraint=Constraint(one_call=True), max_tokens=900))

    assert (len(pieces), answer.called, answer.ending) == (1, True, "end")
    assert answer.ids == encode(call) and engine.streams[0].closed


def test_log_probabilities_are_asked_for_as_the_client_did() -> None:
    engine = ScriptedEngine("x", "x")
    answered(engine, Drawing())
    answered(engine, Drawing(logprobs=3))

    assert [request.logprobs for request in engine.requests] == [None, 3]
