# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest
from desk_town import desk_town
from starlette.testclient import TestClient

from node0.commands.desk.pages.desk_page import Desk
from node0.commands.desk.web import desk_app as subject
from node0.commands.desk.web.desk_access import form_token
from node0.commands.desk.web.desk_app import PAGES, STATIC, desk_app
from node0.finetune.corpus.store import CorpusStore
from node0.town import Town

TOKEN = "a-token-that-was-printed"


@pytest.fixture
def town(tmp_path: Path) -> Town:
    return desk_town(tmp_path / "gt")


@pytest.fixture
def client(town: Town) -> TestClient:
    client = TestClient(
        desk_app(Desk(town), token=TOKEN, port=1), base_url="http://127.0.0.1", raise_server_exceptions=False
    )
    client.get(f"/?token={TOKEN}")
    return client


def _form(**fields: str) -> dict[str, str]:
    return {"form_token": form_token(TOKEN), **fields}


@pytest.mark.parametrize(
    ("path", "heading"),
    [
        ("/", "Corpus"),
        ("/corpus?page=2", "Corpus"),
        ("/corpus/hostile", "hostile"),
        ("/review?role=mayor", "Review"),
        ("/runs", "Runs"),
        ("/runs/gt-abc12", "mayor-1-"),
        ("/versions", "Versions"),
        ("/versions/mayor%3A1", "mayor:1"),
        ("/live", "Live"),
        ("/savings", "Savings"),
    ],
)
def test_every_page_is_there(client: TestClient, path: str, heading: str) -> None:
    answer = client.get(path)

    assert answer.status_code == 200
    assert f"<h1>{heading}" in answer.text


def test_every_address_of_the_table_has_a_page_without_the_token_none(town: Town) -> None:
    stranger = TestClient(desk_app(Desk(town), token=TOKEN, port=1), base_url="http://127.0.0.1")

    for method, path in PAGES:
        assert stranger.request(method, path).status_code == 401
    for file in STATIC.iterdir():
        assert stranger.get(f"/static/{file.name}").status_code == 401


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("/nothing", 404, "there is no such page"),
        ("/static/..%2fdesk_options.py", 404, "there is no such page"),
        ("/corpus/nothing", 404, "no entry &#39;nothing&#39;"),
        ("/corpus/..%2f..%2fmayor%2ftown", 404, "there is no such page"),
        ("/corpus?page=none", 400, "page &#39;none&#39; is not 1, 2, ..."),
        ("/corpus?role=wizard", 404, "wizard"),
        ("/versions/mayor:9", 404, "no version 9"),
        (f"/corpus/{'x' * 4000}", 404, "is no id of an entry"),
        ("/corpus/%00", 404, "is no id of an entry"),
        ("/versions/mayor:1/reports/1", 404, "has 0 reports"),
    ],
)
def test_what_is_not_there_is_told_in_a_page(client: TestClient, path: str, status: int, said: str) -> None:
    answer = client.get(path)

    assert answer.status_code == status
    assert said in answer.text


def test_a_decision_needs_the_token_of_the_form(client: TestClient, town: Town) -> None:
    fields = {"entry": "waits-1", "decision": "accept"}

    assert client.post("/review", data=fields).status_code == 403
    assert client.post("/review", data={**fields, "form_token": TOKEN}).status_code == 403
    assert CorpusStore(town).get("waits-1").quarantined
    answer = client.post("/review", data=_form(**fields))
    assert answer.status_code == 200
    assert "waits-1: accepted, waits-3: settled too" in answer.text
    assert not CorpusStore(town).get("waits-1").quarantined


@pytest.mark.parametrize("name", ["../mayor/waits-1", "/etc/passwd", "", "waits-1/../waits-1"])
def test_only_a_name_of_an_entry_is_one(client: TestClient, town: Town, name: str) -> None:
    answer = client.post("/review", data=_form(entry=name, decision="drop"))

    assert answer.status_code == 404
    assert CorpusStore(town).get("waits-1").quarantined


def test_a_script_is_told_a_line_and_a_person_a_page(client: TestClient) -> None:
    fields = _form(entry="plain-01", decision="accept")

    line = client.post("/review", data=fields, headers={"hx-request": "true"})
    page = client.post("/review", data=fields)

    assert line.status_code == page.status_code == 409
    assert line.text.startswith("entry plain-01 is not in quarantine")
    assert page.text.startswith("<!DOCTYPE html>")


def test_an_alias_is_moved_by_a_form(client: TestClient) -> None:
    answer = client.post("/versions/mayor%3A2/candidate", data=_form(reason="better"))

    assert "<h1>mayor:2" in answer.text
    assert "evaluated, @candidate" in answer.text


def test_an_error_that_nobody_foresaw_tells_the_browser_nothing_of_it(
    town: Town, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise ValueError("of the inside")

    monkeypatch.setattr(subject, "PAGES", {("GET", "/corpus"): fail})
    client = TestClient(desk_app(Desk(town), token=TOKEN, port=1), base_url="http://127.0.0.1")

    answer = client.get(f"/corpus?token={TOKEN}")

    assert answer.status_code == 500
    assert "of the inside" not in answer.text
    assert "of the inside" in caplog.text
