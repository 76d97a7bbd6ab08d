# SPDX-License-Identifier: Apache-2.0
import json
from typing import Any

import pytest
from starlette.requests import Request

from node0.finetune.serving.http.session_key import LONGEST, session_key

TURNS = [{"role": "system", "content": "s"}, {"role": "user", "content": [{"type": "text", "text": "Begin"}]}]


def request(headers: dict[str, str]) -> Request:
    raw = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()]
    return Request({"type": "http", "headers": raw})


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Claude-Code-Session-Id": "abc"},
        {"x-session-id": "abc", "x-session-affinity": "abc"},
        {"session_id": "abc"},
        {"Session-Id": " abc "},
        {"x-opencode-session-id": "abc", "x-other": "session-id"},
    ],
)
def test_a_header_of_a_session_tells_it(headers: dict[str, str]) -> None:
    assert session_key(request(headers), TURNS, {"user_id": '{"session_id": "other"}'}) == "abc"


@pytest.mark.parametrize(
    "user",
    [
        json.dumps({"device_id": "d", "account_uuid": "", "session_id": "7cd7-68"}),
        "user_0a1b_account__session_7cd7-68",
    ],
)
def test_metadata_tell_it_where_no_header_does(user: str) -> None:
    assert session_key(request({"x-session": "no"}), TURNS, {"user_id": user}) == "7cd7-68"


@pytest.mark.parametrize(
    ("headers", "metadata"),
    [
        ({}, None),
        ({}, {}),
        ({}, {"user_id": 7}),
        ({}, {"user_id": "ada"}),
        ({}, {"user_id": "[" * 100_000}),
        ({}, {"user_id": '{"session_id": 4}'}),
        ({"session-id": "  "}, None),
        ({"session-id": "x" * (LONGEST + 1)}, None),
    ],
)
def test_the_first_turn_stands_for_a_session_that_nothing_names(
    headers: dict[str, str], metadata: dict[str, Any] | None
) -> None:
    key = session_key(request(headers), TURNS, metadata)
    later = [*TURNS, {"role": "assistant", "content": "a"}, {"role": "user", "content": "More"}]

    assert key.startswith("turn-") and key == session_key(request(headers), later, metadata)


def test_marks_of_a_cache_on_the_first_turn_change_nothing() -> None:
    marked = [{"type": "text", "text": "Begin", "cache_control": {"type": "ephemeral"}}]
    keys = {
        session_key(request({}), [{"role": "user", "content": content}])
        for content in ("Begin", marked, TURNS[1]["content"])
    }

    assert len(keys) == 1


@pytest.mark.parametrize(
    "turns", [[], [{"role": "user", "content": ""}], [{"role": "user", "content": None}]]
)
def test_without_any_word_there_is_no_session(turns: list[dict[str, Any]]) -> None:
    assert session_key(request({}), turns) == ""


def test_half_a_utf16_pair_is_a_word_too() -> None:
    assert session_key(request({}), [{"role": "user", "content": "\ud83d"}]).startswith("turn-")
