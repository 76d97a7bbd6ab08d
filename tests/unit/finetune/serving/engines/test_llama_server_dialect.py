# SPDX-License-Identifier: Apache-2.0
import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from node0.errors import ConfigError, EngineUnavailable
from node0.finetune.serving.constraint import AnswerForm, Constraint
from node0.finetune.serving.engines import llama_server_dialect
from node0.finetune.serving.engines.llama_server_dialect import LlamaServerDialect
from node0.finetune.serving.engines.token_engine import HELD_BACK, GeneratedToken, GenerationRequest
from node0.pipeline.protocol import SamplingParams

REQUEST = GenerationRequest("deacon", (1, 2), 9, (7,), SamplingParams(0, 1.0, 0, 1 << 40))


def test_a_request_switches_off_the_samplers_that_the_engine_has_on_by_itself() -> None:
    body = LlamaServerDialect().body(REQUEST)

    assert (body["prompt"], body["n_predict"], body["return_tokens"]) == ([1, 2], 9, True)
    assert (body["top_k"], body["top_p"], body["min_p"], body["repeat_penalty"]) == (0, 1.0, 0.0, 1.0)
    assert 0 <= body["seed"] < 1 << 32


def test_an_event_brings_ids_and_the_last_one_none() -> None:
    dialect = LlamaServerDialect()

    assert dialect.tokens({"content": "x", "tokens": [4], "stop": False}, REQUEST, 0) == [GeneratedToken(4)]
    assert (
        dialect.tokens({"content": "", "tokens": [], "stop": True, "tokens_evaluated": 2}, REQUEST, 0) == []
    )


def test_ids_within_a_character_are_counted_and_told_as_its_text() -> None:
    event = {"content": "ö", "tokens": [5], "stop": False, "tokens_predicted": 4}

    assert LlamaServerDialect().tokens(event, REQUEST, 2) == [
        GeneratedToken(HELD_BACK),
        GeneratedToken(5, text="ö"),
    ]
    assert LlamaServerDialect().tokens(event, REQUEST, 3) == [GeneratedToken(5)]
    last = {"tokens": [], "stop": True, "stop_type": "limit", "tokens_predicted": 9}
    assert LlamaServerDialect().tokens(last, REQUEST, 7) == [GeneratedToken(HELD_BACK)] * 2
    assert LlamaServerDialect().tokens({**last, "stop_type": "eos"}, REQUEST, 7) == []
    with pytest.raises(EngineUnavailable, match="leave logprobs out"):
        LlamaServerDialect().tokens(event, replace(REQUEST, logprobs=0), 2)


@pytest.mark.parametrize(("count", "n_probs"), [(0, 1), (2, 2)])
def test_log_probabilities_come_with_the_ids_that_they_are_of(count: int, n_probs: int) -> None:
    asked = replace(REQUEST, logprobs=count)
    told = {
        "id": 4,
        "logprob": -1.0,
        "top_logprobs": [{"id": 9, "logprob": -0.5}, {"id": 4, "logprob": -1.0}],
    }
    event = {"content": "x", "tokens": [4], "completion_probabilities": [told]}

    assert LlamaServerDialect().body(asked)["n_probs"] == n_probs
    assert LlamaServerDialect().tokens(event, asked, 0) == [
        GeneratedToken(4, -1.0, ((9, -0.5), (4, -1.0))[:count])
    ]
    with pytest.raises(EngineUnavailable, match="no log probability"):
        LlamaServerDialect().tokens({"content": "x", "tokens": [4]}, asked, 0)


@pytest.mark.parametrize(
    ("event", "message"),
    [
        ({"stop": True, "tokens_evaluated": 3}, "read 3 ids of the 2"),
        ({"content": "words"}, "sends no tokens"),
    ],
)
def test_an_engine_that_does_not_keep_to_ids_is_refused(event: dict[str, object], message: str) -> None:
    with pytest.raises(EngineUnavailable, match=message):
        LlamaServerDialect().tokens(event, REQUEST, 0)


class Telling:
    """Tells the rules of a schema as the engine does."""

    def __init__(self, **settings: Any) -> None:
        self.bodies: list[Mapping[str, Any]] = []
        self.settings = settings or {"grammar": 'root ::= "{" n "}"\nn ::= [0-9]\n'}

    async def __call__(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        self.bodies.append(body)
        return {"generation_settings": self.settings}


def bound(dialect: LlamaServerDialect, telling: Telling, constraint: Constraint) -> Mapping[str, Any]:
    return asyncio.run(dialect.binding(AnswerForm(constraint, "tagged"), REQUEST, telling))


def calls(*schemas: dict[str, Any]) -> Constraint:
    return Constraint(tools=tuple((f"t{at}", schema) for at, schema in enumerate(schemas)), forced=True)


def test_json_of_a_schema_has_the_rules_that_the_engine_tells() -> None:
    telling, schema = Telling(), {"type": "object"}
    given = bound(LlamaServerDialect(), telling, Constraint(schema=schema))

    assert given["grammar"].splitlines()[0] == "root ::= answer-root"
    assert "answer-n ::= [0-9]" in given["grammar"].splitlines()
    assert [body["json_schema"] for body in telling.bodies] == [schema]


def test_rules_of_a_schema_are_asked_for_once_with_the_prompt_that_comes_next() -> None:
    dialect, telling = LlamaServerDialect(), Telling()
    given = [bound(dialect, telling, calls({"type": "object"}, {})) for _ in range(2)]

    assert given[0] == given[1] and "given-1-n ::= [0-9]" in given[0]["grammar"]
    assert [body["json_schema"] for body in telling.bodies] == [{"type": "object"}, {}]
    assert {(*body["prompt"], body["n_predict"]) for body in telling.bodies} == {(1, 2, 0)}


def test_no_more_rules_are_remembered_than_there_is_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(llama_server_dialect, "REMEMBERED", 2)
    dialect, telling = LlamaServerDialect(), Telling()

    for number in (1, 2, 3, 3, 1):
        bound(dialect, telling, calls({"const": number}))

    assert [body["json_schema"]["const"] for body in telling.bodies] == [1, 2, 3, 1]


def test_a_schema_of_which_the_engine_would_drop_a_part_is_refused() -> None:
    telling = Telling()

    for constraint in (Constraint(schema={"pattern": "^a$"}), calls({}, {"pattern": "^a$"})):
        with pytest.raises(ConfigError, match="does not follow 'pattern'"):
            bound(LlamaServerDialect(), telling, constraint)
    assert telling.bodies == []


@pytest.mark.parametrize("settings", [{"grammar": ""}, {"grammar": "%llguidance {}\nstart: x"}, {"other": 1}])
def test_an_engine_that_tells_no_rules_is_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(EngineUnavailable, match="tells no grammar"):
        bound(LlamaServerDialect(), Telling(**settings), calls({}))
