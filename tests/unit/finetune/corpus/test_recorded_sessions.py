# SPDX-License-Identifier: Apache-2.0
"""Sessions of Claude Code 2.1.330 (tests/integration/claude_code/record.py), its words made neutral."""

import json
from pathlib import Path
from typing import Any

import pytest
from claude_requests import compare, recorded

FIXTURES = Path(__file__).parents[3] / "fixtures" / "claude_code"
SESSIONS = sorted(path.name.removesuffix(".requests.json") for path in FIXTURES.glob("*.requests.json"))
# The harness keeps no log of the request that makes a summary.
UNLOGGED = {"compacted": ["msg_003"], "compacted_by_itself": ["msg_002"]}
# What is left on a branch is not learnt.
ABANDONED = {"rewound": ["msg_002", "msg_003"]}
# An answer that ended at the model's last token is context only.
CUT = {"cut_answer": ["msg_001"]}
# A forked session repeats the lines of the first without their log.
RECONSTRUCTED = {"forked": 2}
# Beyond the lines: a reminder around a notification, the turns kept by a compaction, deferred tools.
DIFFERING_WITHOUT_LOG = {"background_subagent": 1, "compacted": 2, "tool_search": 3}


def files(name: str) -> list[Path]:
    return sorted(FIXTURES.glob(f"{name}.[0-9].jsonl"))


@pytest.mark.parametrize("name", SESSIONS)
def test_every_request_that_was_sent_is_rebuilt_from_the_files(name: str) -> None:
    requests = recorded(FIXTURES / f"{name}.requests.json")

    found = compare(requests, files(name))

    assert found.differing == []
    assert found.unlogged == UNLOGGED.get(name, []) + ABANDONED.get(name, []) + CUT.get(name, [])
    assert found.reconstructed == RECONSTRUCTED.get(name, 0)
    assert found.exact == len(requests) - len(found.unlogged) - found.unanswered
    left = found.unanswered + len(ABANDONED.get(name, []))
    assert found.skipped["request without an answer on the active path"] == left


@pytest.mark.parametrize("name", SESSIONS)
def test_without_the_log_nearly_every_request_is_reconstructed(name: str, tmp_path: Path) -> None:
    for path in files(name):
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        kept = [line for line in lines if not json.loads(line)["type"].startswith("api-request")]
        (tmp_path / path.name).write_text("".join(kept), encoding="utf-8")

    found = compare(recorded(FIXTURES / f"{name}.requests.json"), sorted(tmp_path.iterdir()))

    assert found.exact == 0
    assert len(found.differing) == DIFFERING_WITHOUT_LOG.get(name, 0)
    assert found.unlogged == UNLOGGED.get(name, []) + ABANDONED.get(name, []) + CUT.get(name, [])


def test_the_recorded_sessions_are_all_there() -> None:
    assert len(SESSIONS) == 21
    assert sum(len(recorded(FIXTURES / f"{name}.requests.json")) for name in SESSIONS) == 72


@pytest.mark.parametrize("name", ["one_tool", "tool_search", "subagent"])
def test_a_request_that_was_not_sent_is_told_apart(name: str) -> None:
    """The negative twin: one word of a tool, of the system prompt, of a message."""
    requests = recorded(FIXTURES / f"{name}.requests.json")

    for part in ("tools", "system", "messages"):
        changed = [(_changed(body, part), answer) for body, answer in requests]
        found = compare(changed, files(name))

        assert len(found.differing) == len(requests)
        assert found.exact == 0


def _changed(body: dict[str, Any], part: str) -> dict[str, Any]:
    last = body[part][-1]
    key = {"tools": "description", "system": "text", "messages": "role"}[part]
    return json.loads(json.dumps(body | {part: [*body[part][:-1], last | {key: last[key] + "."}]}))
