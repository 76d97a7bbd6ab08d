# SPDX-License-Identifier: Apache-2.0
from typing import Any

import pytest
from serving_parts import ScriptedEngine, application, asked, events, got, posted, served

from node0.errors import EngineBusy, EngineUnavailable
from node0.finetune.serving.http.admission import Admission
from node0.finetune.serving.http.api_keys import ApiKey
from node0.finetune.serving.http.key_quotas import KeyQuotas, QuotaSettings, TierLimits
from node0.finetune.serving.http.serving_app import ServingOptions
from node0.finetune.serving.http.serving_state import ServingState

TOKEN = "0123456789abcdef"
ASK: dict[str, Any] = {"model": "tiny", "max_tokens": 9, "messages": [{"role": "user", "content": "x"}]}


def test_health_says_that_it_lives_and_ready_whether_it_can_answer() -> None:
    engine, state = ScriptedEngine(), ServingState()
    app = application(engine, state=state)

    engine.not_ready = "loading"
    assert (got(app, "/health").status_code, got(app, "/ready").status_code) == (200, 503)
    engine.not_ready = ""
    assert got(app, "/ready").json() == {"status": "ready"}
    state.draining = True
    assert (got(app, "/ready").status_code, got(app, "/ready").json()) == (503, {"status": "draining"})


def test_tokens_are_asked_for_on_every_path_but_the_probes() -> None:
    app = application(ScriptedEngine(), options=ServingOptions(admission=Admission([ApiKey(TOKEN, "rig")])))

    assert {path: got(app, path).status_code for path in ("/v1/models", "/metrics", "/health", "/ready")} == {
        "/v1/models": 401,
        "/metrics": 401,
        "/health": 200,
        "/ready": 200,
    }
    assert got(app, "/v1/models", headers={"x-api-key": TOKEN}).status_code == 200


@pytest.mark.parametrize(
    ("error", "status"),
    [(EngineBusy("full"), 529), (EngineUnavailable("gone"), 502), (RuntimeError("x"), 500)],
)
def test_what_the_engine_refuses_is_told_and_the_server_lives(error: Exception, status: int) -> None:
    engine = ScriptedEngine("well")
    app = application(engine)
    engine.refusal = error

    assert posted(app, "/v1/messages", ASK).status_code == status
    engine.refusal = None
    assert posted(app, "/v1/messages", ASK).status_code == 200


def test_an_error_in_mid_answer_gives_the_place_back() -> None:
    engine = ScriptedEngine("well", end=False, error=EngineUnavailable("torn"))

    response = posted(application(engine), "/v1/messages", ASK)

    assert (response.status_code, engine.streams[0].closed) == (502, True)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b'{"a":' + b"[" * 1400, 400),
        (b"\xff\xfe", 400),
        (b"[1]", 400),
        (b"x" * 2000, 413),
        ({**ASK, "max_tokens": -1}, 400),
        ({**ASK, "temperature": "hot"}, 400),
        ({**ASK, "temperature": float("nan")}, 400),
        ({**ASK, "messages": "x"}, 400),
        ({**ASK, "model": "nobody"}, 404),
        ({**ASK, "messages": [{"role": "user", "content": "x" * 900}]}, 400),
    ],
)
def test_hostile_bodies_get_a_status_a_body_and_no_engine(body: Any, status: int) -> None:
    engine = ScriptedEngine()
    app = application(engine, served(context=500), options=ServingOptions(max_body=1500))

    for path in ("/v1/messages", "/v1/chat/completions"):
        response = posted(app, path, body)
        assert response.status_code == status
        assert response.json()["error"]["message"]
    assert not engine.requests
    assert got(app, "/health").status_code == 200


def test_a_path_or_method_that_there_is_not_is_refused_in_the_clients_form() -> None:
    app = application(ScriptedEngine())

    assert got(app, "/v1/messages").status_code == 405
    assert got(app, "/v1/messages").headers["allow"] == "POST"
    assert got(app, "/v1/messages").json()["type"] == "error"
    assert got(app, "/v1/nothing").json()["error"]["message"].startswith("no GET endpoint here")
    assert got(app, "/openapi.json").status_code == 404


@pytest.mark.parametrize("path", ["/health", "/ready", "/metrics", "/v1/models", "/v1/models/tiny"])
def test_whoever_may_get_a_page_may_ask_for_its_head(path: str) -> None:
    app = application(ScriptedEngine())

    head = asked(app, lambda client: client.head(path))

    assert (head.status_code, head.headers["content-type"]) == (200, got(app, path).headers["content-type"])
    assert set(posted(app, path, {}).headers["allow"].split(", ")) == {"GET", "HEAD"}


@pytest.mark.parametrize(
    ("path", "kind"), [("/v1/messages", "rate_limit_error"), ("/v1/chat/completions", "rate_limit_error")]
)
def test_beyond_its_quota_a_key_is_told_when_to_ask_again(path: str, kind: str) -> None:
    engine = ScriptedEngine(*["well"] * 9)
    quotas = KeyQuotas(QuotaSettings(standard=TierLimits(requests_per_minute=2)))
    options = ServingOptions(admission=Admission([ApiKey(TOKEN, "rig")]), quotas=quotas)
    app = application(engine, options=options)

    told = [posted(app, path, ASK, headers={"x-api-key": TOKEN}) for _ in range(3)]

    assert [response.status_code for response in told] == [200, 200, 429]
    assert told[2].json()["error"]["type"] == kind
    assert 28 <= int(told[2].headers["retry-after"]) <= 30
    assert got(app, "/v1/models", headers={"x-api-key": TOKEN}).status_code == 200


def test_places_of_a_key_are_given_back_by_streams_and_errors_too() -> None:
    engine = ScriptedEngine(*["well"] * 9)
    quotas = KeyQuotas(QuotaSettings(standard=TierLimits(concurrent=1)))
    options = ServingOptions(admission=Admission([ApiKey(TOKEN, "rig")]), quotas=quotas)
    app = application(engine, options=options)
    bodies: list[Any] = [{**ASK, "stream": True}, {**ASK, "model": "nobody"}, b"[", ASK]

    told = [posted(app, "/v1/messages", body, headers={"x-api-key": TOKEN}).status_code for body in bodies]

    assert told == [200, 404, 400, 200]


@pytest.mark.parametrize(
    ("path", "kind"), [("/v1/messages", "timeout_error"), ("/v1/chat/completions", "server_error")]
)
def test_an_answer_that_takes_too_long_is_cut_and_its_place_given_back(path: str, kind: str) -> None:
    engine = ScriptedEngine(*["well"] * 2, end=False, hang=True)
    app = application(engine, options=ServingOptions(max_seconds=0.05))

    whole = posted(app, path, ASK)
    streamed = posted(app, path, {**ASK, "stream": True})

    assert (whole.status_code, whole.json()["error"]["type"]) == (504, kind)
    assert streamed.status_code == 200
    assert events(streamed.text)[-1]["error"]["type"] == kind
    assert [stream.closed for stream in engine.streams] == [True, True]
