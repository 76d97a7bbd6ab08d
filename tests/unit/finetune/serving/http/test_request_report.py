# SPDX-License-Identifier: Apache-2.0
import logging

import pytest
from serving_parts import ScriptedEngine, application, encode, got, posted

ASK = {"model": "tiny", "max_tokens": 9, "messages": [{"role": "user", "content": "a secret prompt"}]}


def test_a_line_in_the_log_counts_ids_and_says_no_word_of_the_prompt(
    caplog: pytest.LogCaptureFixture,
) -> None:
    engine = ScriptedEngine("a secret answer"[:5])

    with caplog.at_level(logging.INFO, logger="node0"):
        posted(application(engine), "/v1/messages", ASK)

    assert '"route":"/v1/messages","model":"tiny","key":"","status":200' in caplog.text
    assert f'"prompt_tokens":{len(engine.requests[0].prompt)},"answer_tokens":5' in caplog.text
    assert "secret" not in caplog.text


def test_what_a_client_invents_reaches_neither_log_nor_metrics(caplog: pytest.LogCaptureFixture) -> None:
    app = application(ScriptedEngine())

    with caplog.at_level(logging.INFO, logger="node0"):
        posted(app, "/v1/messages", {**ASK, "model": "forged\nline"})
        got(app, "/v1/forged-path")

    assert "forged" not in caplog.text
    assert "forged" not in got(app, "/metrics").text


def test_metrics_count_requests_and_ids() -> None:
    app = application(engine := ScriptedEngine("well"))

    posted(app, "/v1/messages", ASK)
    text = got(app, "/metrics").text

    assert 'node0_serve_requests_total{route="/v1/messages",status="200"} 1.0' in text
    assert f'node0_serve_tokens_total{{model="tiny",way="answer"}} {len(encode("well"))}.0' in text
    assert f'way="prompt"}} {len(engine.requests[0].prompt)}.0' in text
    assert 'node0_serve_open_requests{model="tiny"} 0.0' in text


def test_what_machines_ask_every_few_seconds_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="node0"):
        got(application(ScriptedEngine()), "/health")

    assert "/health" not in caplog.text
