# SPDX-License-Identifier: Apache-2.0
"""The real harness, a scripted model on loopback, and what its files tell of what it sent."""

from pathlib import Path

import pytest
from claude_requests import compare
from integration.claude_code import sessions
from integration.claude_code.record import FIXTURES, LEFT_OUT, Neutral

CLAUDE = sessions.find_claude()
# The request that makes a summary is in no log; what a rewind left behind is not rebuilt.
NOT_REBUILT = {"compacted": 1, "compacted_by_itself": 1, "cut_answer": 1, "rewound": 2}
RECONSTRUCTED = {"forked": 2}
pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(CLAUDE is None, reason="Claude Code is not installed; `make town-tools` installs it"),
]


@pytest.mark.parametrize("name", sessions.SESSIONS)
def test_every_request_that_the_server_received_is_rebuilt(name: str, tmp_path: Path) -> None:
    assert CLAUDE is not None
    recording = sessions.SESSIONS[name](tmp_path / "home", CLAUDE)
    requests = [(received.body, received.answer_id) for received in recording.requests]

    found = compare(requests, recording.transcripts)

    assert found.differing == []
    assert len(found.unlogged) == NOT_REBUILT.get(name, 0)
    assert found.reconstructed == RECONSTRUCTED.get(name, 0)
    assert found.exact == len(requests) - len(found.unlogged) - found.unanswered
    assert found.unanswered == (name == "retried")


def test_the_fixtures_hold_no_words_of_the_harness(tmp_path: Path) -> None:
    """What its longest texts say stands in no fixture."""
    assert CLAUDE is not None
    recording = sessions.one_tool(tmp_path / "home", CLAUDE)
    body = recording.requests[0].body
    texts = [block["text"] for block in body["system"]] + [tool["description"] for tool in body["tools"]]
    lines = {line.strip() for text in texts for line in text.split("\n") if len(line) > 30}
    assert len(lines) > 20

    stored = "".join(path.read_text(encoding="utf-8") for path in FIXTURES.iterdir())

    assert [line for line in lines if line in stored] == []
    neutral = str(Neutral(tmp_path / "home").request(recording.requests[0]))
    assert [line for line in lines if line in neutral] == []


def test_every_session_but_the_largest_is_recorded() -> None:
    recorded = {path.name.removesuffix(".requests.json") for path in FIXTURES.glob("*.requests.json")}

    assert recorded == sessions.SESSIONS.keys() - LEFT_OUT
