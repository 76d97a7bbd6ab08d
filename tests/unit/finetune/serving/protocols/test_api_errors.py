# SPDX-License-Identifier: Apache-2.0
from typing import Any

import pytest
from pydantic import ValidationError

from node0.errors import ConfigError, EngineBusy, EngineUnavailable, NotFound
from node0.finetune.serving.protocols.anthropic_request import MessagesBody
from node0.finetune.serving.protocols.api_errors import RequestRefused, api_error
from node0.finetune.serving.protocols.openai_request import ChatBody


@pytest.mark.parametrize(
    ("error", "anthropic", "openai"),
    [
        (ConfigError("x"), (400, "invalid_request_error"), (400, "invalid_request_error")),
        (RequestRefused("x", status=401), (401, "authentication_error"), (401, "authentication_error")),
        (RequestRefused("x", status=413), (413, "request_too_large"), (413, "invalid_request_error")),
        (RequestRefused("x", status=415), (415, "invalid_request_error"), (415, "invalid_request_error")),
        (NotFound("x"), (404, "not_found_error"), (404, "invalid_request_error")),
        (EngineBusy("x"), (529, "overloaded_error"), (503, "server_error")),
        (EngineUnavailable("x"), (502, "api_error"), (502, "server_error")),
        (KeyError("x"), (500, "api_error"), (500, "server_error")),
    ],
    ids=lambda value: type(value).__name__,
)
def test_each_client_gets_its_own_status_and_kind(
    error: Exception, anthropic: tuple[int, str], openai: tuple[int, str]
) -> None:
    told = api_error(error)

    status, body = told.anthropic()
    assert (status, body["error"]["type"], body["type"]) == (*anthropic, "error")
    status, body = told.openai()
    assert (status, body["error"]["type"]) == openai


def test_an_unknown_model_has_openais_code() -> None:
    assert api_error(NotFound("no model x")).openai()[1]["error"] == {
        "message": "no model x",
        "type": "invalid_request_error",
        "param": "model",
        "code": "model_not_found",
    }


def test_an_unforeseen_error_tells_its_kind_and_nothing_else() -> None:
    assert "secret" not in api_error(ValueError("a secret prompt")).message


def test_a_fault_of_the_body_is_named_by_its_place_without_its_value() -> None:
    with pytest.raises(ValidationError) as caught:
        MessagesBody.model_validate(
            {"model": "m", "max_tokens": "secret", "messages": [{"role": "user", "content": "x"}]}
        )

    told = api_error(caught.value)

    assert (told.status, told.param) == (400, "max_tokens")
    assert "secret" not in told.message


@pytest.mark.parametrize(
    ("asked", "place", "message"),
    [
        ({"stop": ["x"] * 65}, "stop", "at most 64"),
        ({"stop": ["x", 1]}, "stop.1", "valid string"),
        ({"messages": [{"role": "user", "content": ["hi"]}]}, "messages.0.content.0", "valid dictionary"),
        ({"messages": [{"role": "user", "content": 1}]}, "messages.0.content", "valid string"),
        ({"seed": "x", "stop": ["x"] * 65}, "seed", "valid integer"),
    ],
    ids=str,
)
def test_of_several_forms_the_one_that_was_meant_is_told(
    asked: dict[str, Any], place: str, message: str
) -> None:
    with pytest.raises(ValidationError) as caught:
        ChatBody.model_validate({"model": "m", "messages": [{"role": "user", "content": "x"}], **asked})

    told = api_error(caught.value)

    assert told.param == place
    assert told.message.startswith(f"{place}: ") and message in told.message
