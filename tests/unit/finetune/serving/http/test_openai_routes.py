# SPDX-License-Identifier: Apache-2.0
from typing import Any

from serving_parts import END, ScriptedEngine, application, encode, events, got, posted, served
from tiny_chat import user

from node0.errors import EngineBusy

CHAT: dict[str, Any] = {"model": "tiny", "messages": [user("x")]}
TEXT: dict[str, Any] = {"model": "tiny", "prompt": [1, 2, 3]}


def test_ids_reach_the_engine_unchanged_and_are_counted_as_prompt() -> None:
    engine = ScriptedEngine("well")
    told = posted(application(engine), "/v1/completions", {**TEXT, "max_tokens": 1, "temperature": 0}).json()

    assert engine.requests[0].prompt == (1, 2, 3)
    assert told["usage"]["prompt_tokens"] == 3
    assert told["choices"][0]["text"] == "w"


def test_a_text_is_continued_without_a_chat_template() -> None:
    engine = ScriptedEngine("well")

    posted(application(engine), "/v1/completions", {**TEXT, "prompt": "a<|end|>"})

    assert list(engine.requests[0].prompt) == [*encode("a"), END]


def test_models_are_listed_with_their_context_for_both_kinds_of_clients() -> None:
    app = application(ScriptedEngine(), served("deacon", "deacon:1", context=777))
    told = got(app, "/v1/models").json()

    assert [card["id"] for card in told["data"]] == ["deacon", "deacon:1"]
    assert {card["max_model_len"] for card in told["data"]} == {777}
    assert (told["object"], told["first_id"], told["has_more"]) == ("list", "deacon", False)
    assert got(app, "/v1/models/deacon:1").json()["root"] == "deacon"
    assert got(app, "/v1/models/x").status_code == 404


def test_several_answers_are_drawn_with_seeds_of_their_own() -> None:
    engine = ScriptedEngine("a", "b")
    told = posted(application(engine), "/v1/chat/completions", {**CHAT, "n": 2, "seed": 7}).json()

    assert [choice["message"]["content"] for choice in told["choices"]] == ["a", "b"]
    assert [request.sampling.seed for request in engine.requests] == [7, 8]


def test_a_stream_ends_with_usage_where_it_is_asked_for_and_done() -> None:
    app = application(ScriptedEngine("well"))
    body = {**CHAT, "stream": True, "stream_options": {"include_usage": True}}

    told = events(posted(app, "/v1/chat/completions", body).text)

    assert told[-1] == "[DONE]"
    assert told[-2]["usage"]["completion_tokens"] == len(encode("well"))
    assert "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in told[:-2]) == "well"


def test_when_not_all_answers_can_be_opened_those_that_were_are_closed() -> None:
    class Small(ScriptedEngine):
        async def open(self, request: Any) -> Any:
            if self.requests:
                raise EngineBusy("full")
            return await super().open(request)

    engine = Small("a")
    response = posted(application(engine), "/v1/chat/completions", {**CHAT, "n": 2})

    assert response.status_code == 503
    assert engine.streams[0].closed
