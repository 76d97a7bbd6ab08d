# SPDX-License-Identifier: Apache-2.0
import json
import logging

import pytest
from starlette.requests import Request

from node0.errors import EngineBusy, NotFound
from node0.finetune.serving.http.error_responses import anthropic_event, error_response, openai_event
from node0.finetune.serving.protocols.api_errors import RequestRefused


def request(path: str, *headers: tuple[bytes, bytes]) -> Request:
    return Request({"type": "http", "method": "POST", "path": path, "headers": list(headers)})


def test_each_path_answers_in_the_form_of_its_clients() -> None:
    anthropic = error_response(request("/v1/messages"), NotFound("x"))
    openai = error_response(request("/v1/models"), NotFound("x"))
    models = error_response(request("/v1/models", (b"anthropic-version", b"2023-06-01")), NotFound("x"))

    assert json.loads(bytes(anthropic.body)) == json.loads(bytes(models.body))
    assert json.loads(bytes(anthropic.body))["error"]["type"] == "not_found_error"
    assert json.loads(bytes(openai.body))["error"]["code"] == "model_not_found"


def test_headers_say_when_to_come_back_and_that_the_rest_is_not_read() -> None:
    assert error_response(request("/v1/messages"), EngineBusy("x")).headers["retry-after"] == "1"
    refused = RequestRefused("x", status=413, closes=True)
    assert error_response(request("/v1/messages"), refused).headers["connection"] == "close"


def test_the_log_of_an_unforeseen_error_holds_its_place_and_not_its_words(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.INFO, logger="node0"):
        try:
            raise KeyError("a secret prompt")
        except KeyError as error:
            response = error_response(request("/v1/messages"), error)

    assert response.status_code == 500
    assert "KeyError at test_the_log_of" in caplog.text
    assert "secret" not in caplog.text


def test_an_error_in_a_stream_has_the_form_of_its_protocol() -> None:
    assert anthropic_event(EngineBusy("x")).startswith(b'event: error\ndata: {"type": "error"')
    assert json.loads(openai_event(EngineBusy("x")).removeprefix(b"data: "))["error"]["message"] == "x"
