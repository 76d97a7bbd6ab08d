# SPDX-License-Identifier: Apache-2.0
from typing import Any

import pytest

from node0.finetune.gastown.live_sessions import LiveSession
from node0.finetune.gastown.role_agents import Member, RoleAgent
from node0.finetune.gastown.upkeep.stale_sessions import runs, stale_sessions

ENTRIES = {
    f"ft-witness-v{number}": {"command": "claude", "args": ["--settings", f"/x/{number}", "--model", "w"]}
    for number in (1, 2)
}
WITNESS = RoleAgent("witness", "demo", "ft-witness-v2", "role_agents.witness")


def session(number: int, *, place: str = "", agent: str | None = None) -> LiveSession:
    """A witness that was started with an agent of ours."""
    name = f"ft-witness-v{number}" if agent is None else agent
    words = ("exec", "env", f"GT_AGENT={name}", "claude", "--settings", place or f"/x/{number}")
    return LiveSession(
        "de-witness", "witness", "demo", name, "", "demo/witness", (*words, "--model", "w", "Begin.")
    )


def told(one: LiveSession, role: RoleAgent = WITNESS, entries: Any = None) -> list[tuple[str, str, str]]:
    found = stale_sessions([one], [role], {"": ENTRIES if entries is None else entries})
    return [(each.state, each.found, each.do) for each in found]


def test_a_session_that_runs_what_a_start_would_run_is_well() -> None:
    assert told(session(2)) == [("ok", "1 with an agent of ours, as it would be started now", "")]


def test_a_session_of_the_version_before_is_stale_and_a_handoff_keeps_it() -> None:
    assert told(session(1)) == [
        (
            "bad",
            "de-witness runs ft-witness-v1 (a handoff keeps it); started anew it runs ft-witness-v2",
            "gt witness restart demo",
        )
    ]


def test_a_session_whose_version_was_taken_back_is_stale_and_a_handoff_is_refused() -> None:
    ((state, found, _),) = told(session(1), WITNESS._replace(agent="claude"), {})

    assert state == "bad"
    assert found == "de-witness runs ft-witness-v1 (a handoff is refused); started anew it runs claude"


def test_a_session_from_before_a_version_was_deployed_again_is_stale() -> None:
    ((state, found, _),) = told(session(2, place="/x/of-another-address"))

    assert state == "bad" and found == "de-witness runs ft-witness-v2 as it was before it was last deployed"


@pytest.mark.parametrize(("agent", "now"), [("opus", "runs opus"), ("", "runs an agent of gt")])
def test_a_session_from_before_the_first_deployment_is_stale(agent: str, now: str) -> None:
    ((state, found, _),) = told(session(0, agent=agent))

    assert (state, found) == ("bad", f"de-witness {now}; started anew it runs ft-witness-v2")


def test_a_session_without_an_agent_of_ours_is_nobodys_concern() -> None:
    assert told(session(0, agent="opus"), WITNESS._replace(agent="claude")) == []
    assert told(session(0, agent="")._replace(command=())) == [], "of which nothing is known"
    assert list(stale_sessions([session(0, agent="opus")], [], {})) == []


def test_an_entry_of_the_rig_counts_before_the_towns() -> None:
    other = {"ft-witness-v2": {"command": "claude", "args": ["--settings", "/x/of-the-rig"]}}

    (found,) = stale_sessions([session(2)], [WITNESS], {"": ENTRIES, "demo": other})

    assert found.state == "bad"


def test_a_dog_that_was_given_our_agent_by_hand_is_well() -> None:
    role = RoleAgent("dog", "", "claude-haiku", "x", not_followed="role_agents.dog is ft-dog-v1")
    words = ("exec", "claude", "--model", "d")
    dog = LiveSession("hq-dog-alpha", "dog", "hq", "ft-dog-v1", "", "dog", words)
    entries = {"": {"ft-dog-v1": {"command": "claude", "args": ["--model", "d"]}}}

    assert [one.state for one in stale_sessions([dog], [role], entries)] == ["ok"]
    haiku = dog._replace(agent="", command=("exec", "claude", "--model", "haiku"))
    assert list(stale_sessions([haiku], [role], entries)) == []


def test_a_member_of_a_crew_is_held_to_its_own_agent() -> None:
    crew = RoleAgent("crew", "demo", "ft-crew-v1", "x", members=(Member("ada", "opus", "y"),))
    words = ("exec", "claude", "--model", "opus")
    ada = LiveSession("de-crew-ada", "crew", "demo", "opus", "", "demo/crew/ada", words)
    bo = ada._replace(name="de-crew-bo", actor="demo/crew/bo")

    (found,) = stale_sessions([ada, bo], [crew], {})

    assert found.found.startswith("de-crew-bo runs opus") and found.do == "gt crew restart demo/bo"


@pytest.mark.parametrize(
    ("role", "actor", "do"),
    [
        ("deacon", "deacon", "gt deacon restart"),
        ("polecat", "demo/polecats/onyx", "gt session restart demo/onyx"),
        ("boot", "deacon/boot", "nothing: it ends with its work, and the next one is as it should be"),
    ],
)
def test_the_next_step_is_that_of_the_role(role: str, actor: str, do: str) -> None:
    rig = "demo" if role == "polecat" else "hq"
    one = LiveSession("x", role, rig, "ft-x-v1", "", actor, ("claude",))
    wanted = RoleAgent(role, "demo" if role == "polecat" else "", "claude", "x")

    assert [each.do for each in stale_sessions([one], [wanted], {})] == [do]


def test_a_program_that_gt_named_by_its_place_is_the_same_one() -> None:
    entry = {"command": "claude", "args": ["--model", "w"]}

    assert runs(["exec", "/home/ada/.claude/local/claude", "--model", "w", "Begin."], entry)
    assert not runs(["exec", "claude", "--model", "wide"], entry)
    assert not runs(["exec", "pi", "--model", "w"], entry)
    assert not runs([], entry)
    ours = {"command": "/x/1/opencode", "args": []}
    assert runs(["exec", "/x/1/opencode", "Begin."], ours) and not runs(["/x/2/opencode"], ours)
