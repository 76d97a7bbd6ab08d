# SPDX-License-Identifier: Apache-2.0
"""What the real Claude Code sends as a role's deployed agent, and what its files tell of that.

A scripted model on loopback answers. Each tool of the role's profile is called with the inputs that the
profile names, since these are all that a deployed model gives.
"""

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from claude_requests import compare, plain
from integration.claude_code.model_server import Answer, Block, ModelServer, Received, text, tool
from integration.claude_code.sessions import Home, find_claude

from node0.finetune.chat.profile import DeploymentProfile, load_profile
from node0.finetune.deploy.agent import claude_agent
from node0.finetune.deploy.endpoint import Endpoint
from node0.finetune.role import Role
from node0.town import Town

CLAUDE = find_claude()
pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(CLAUDE is None, reason="Claude Code is not installed; `make town-tools` installs it"),
]
LARGEST = 8 * 1024
"Bytes of a request before its first turn."

BEACON = "[GAS TOWN] {role} <- deacon: begin, and run `gt prime --hook` where nothing was shown."
NOTE = "note.txt"


@dataclass(frozen=True)
class Session:
    """One run of a role's agent: every tool of its profile once, then words."""

    role: str
    profile: DeploymentProfile
    prime: str
    requests: list[Received]
    transcripts: list[Path]

    @property
    def first(self) -> dict[str, Any]:
        """The body of the first request."""
        body: dict[str, Any] = self.requests[0].body
        return body


@pytest.fixture(scope="module", params=[role.value for role in Role])
def session(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    role, profile = request.param, load_profile(request.param)
    home = Home(tmp_path_factory.mktemp(role) / "home")
    prime = longest_prime(profile)
    answers: list[Answer] = [[call] for call in calls(profile, home.project)]
    with ModelServer({"": [*answers, [text("Done.")]]}) as server:
        assert run_agent(home, profile, server.url, prime) == "Done."
        yield Session(role, profile, prime, server.requests, home.transcripts())


def longest_prime(profile: DeploymentProfile) -> str:
    """A reduced prime of as many characters as a profile keeps of a full one."""
    head = f"# Reduced prime: fine-tuned model active for role {profile.role}\n"
    body = "## Hooked Work\n" + "demo-a1 Mend the crane lamp. " * profile.max_prime_chars
    return (head + body)[: profile.max_prime_chars - 1] + "."


def calls(profile: DeploymentProfile, project: Path) -> list[Block]:
    """A call of each tool of a profile, with every input that it names."""
    note = str(project / NOTE)
    given: dict[str, dict[str, Any]] = {
        "Bash": {"command": "echo ready"},
        "Write": {"file_path": note, "content": "one\ntwo\n"},
        "Read": {"file_path": note, "offset": 1, "limit": 2},
        "Edit": {"file_path": note, "old_string": "two", "new_string": "three", "replace_all": True},
        "Grep": {"pattern": "thr", "path": str(project), "glob": "*.txt", "output_mode": "content"},
        "Glob": {"pattern": "*.txt", "path": str(project)},
    }
    (project / NOTE).write_text("one\ntwo\n")
    for name, one in profile.by_name.items():
        assert given[name].keys() == one.input_schema["properties"].keys()
    ordered = [name for name in ("Bash", "Read", "Write", "Edit", "Grep", "Glob") if name in profile.by_name]
    assert len(ordered) == len(profile.tools)
    return [tool(name, **given[name]) for name in ordered]


def run_agent(home: Home, profile: DeploymentProfile, url: str, prime: str) -> str:
    """What a deployment's agent prints, with a `gt` that gives this prime and nothing of our environment."""
    town = Town(home.path / "town")
    town.prime_shim.parent.mkdir(parents=True)
    (home.path / "prime").write_text(prime)
    town.prime_shim.write_text(f"#!/bin/sh\ncat '{home.path / 'prime'}'\n")
    town.prime_shim.chmod(0o700)
    agent = claude_agent("ft-test-v1", profile, Endpoint(model="test:1", url=url), town=town)
    agent.write_files()
    scratch = {name: str(home.path / "tmp") for name in ("TMPDIR", "CLAUDE_CODE_TMPDIR")}
    done = subprocess.run(
        [str(CLAUDE), "-p", BEACON.format(role=profile.role), *agent.entry["args"]],
        cwd=home.project,
        env=scratch
        | {"HOME": str(home.path), "PATH": "/usr/local/bin:/usr/bin:/bin"}
        | {"IS_SANDBOX": "1", "DISABLE_AUTOUPDATER": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


def test_a_request_is_small_before_its_first_turn(session: Session) -> None:
    size = len(json.dumps(session.first, ensure_ascii=False, separators=(",", ":")).encode())

    assert LARGEST / 3 < size <= LARGEST


def test_beacon_and_prime_are_sent_whole(session: Session) -> None:
    sent = json.dumps(session.first["messages"])

    assert json.dumps(BEACON.format(role=session.role))[1:-1] in sent
    assert json.dumps(session.prime)[1:-1] in sent
    assert str(session.profile.card).strip() in session.first["system"][-1]["text"]


def test_every_request_offers_the_profiles_tools(session: Session) -> None:
    wanted = session.profile.tool_list()

    for received in session.requests:
        offered = received.body["tools"]
        assert {one["name"] for one in offered} == {one["name"] for one in wanted}
        assert offered == wanted or len(wanted) == 1


def test_a_tool_needs_no_input_that_the_profile_does_not_name(session: Session) -> None:
    results = [
        block
        for turn in plain(session.requests[-1].body)["messages"]
        for block in turn["content"]
        if block["type"] == "tool_result"
    ]

    assert len(results) == len(session.profile.tools)
    assert [block for block in results if block.get("is_error")] == []


def test_what_is_kept_rebuilds_what_was_sent(session: Session) -> None:
    requests = [(received.body, received.answer_id) for received in session.requests]
    logged = len(session.profile.tools) == 1

    found = compare(requests, session.transcripts, profile=session.profile)

    assert (found.differing, found.unlogged) == ([], [])
    assert (found.exact, found.reconstructed) == ((len(requests), 0) if logged else (0, len(requests)))


@pytest.mark.parametrize("role", ["witness", "polecat"])
def test_a_session_is_summed_up_when_the_profiles_window_is_nearly_full(role: str, tmp_path: Path) -> None:
    profile = load_profile(role)
    room = profile.context_window - profile.max_output_tokens
    summary = 2_000  # that the words asking for it may take

    assert summaries(tmp_path / "roomy", profile, tokens=room - summary - 500) == 0
    assert summaries(tmp_path / "full", profile, tokens=room - summary + 500) == 1


def summaries(folder: Path, profile: DeploymentProfile, *, tokens: int) -> int:
    """How often a session was summed up whose second request is said to have so many tokens."""
    home, call = Home(folder), tool("Bash", command="echo ready")
    answers: list[Answer] = [[call], [call], [text("<summary>\nAll was well.\n</summary>")], [text("Done.")]]
    with ModelServer({"": answers}, tokens={2: tokens}) as server:
        run_agent(home, profile, server.url, longest_prime(profile))
    requests = [(received.body, received.answer_id) for received in server.requests]
    found = compare([requests[0], requests[1], requests[-1]], home.transcripts(), profile=profile)
    assert (found.differing, found.unlogged) == ([], [])
    lines = [json.loads(line) for path in home.transcripts() for line in path.read_text("utf-8").splitlines()]
    return sum(line.get("subtype") == "compact_boundary" for line in lines)
