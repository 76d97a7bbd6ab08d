# SPDX-License-Identifier: Apache-2.0
"""Live sessions that run something else than gt would start for their role now.

A deployment, a rollback and a new address change what gt starts, and no session that lives: `gt handoff` too
starts again what the session runs, by its name. So the words by which tmux started a session's program are
compared with the entry in the town's settings. Sessions that run no agent of ours and are to run none are
nobody's concern here.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from node0.check_result import CheckResult, bad, note, ok
from node0.errors import NotFound
from node0.finetune.corpus.town.actors import TOWN_RIG
from node0.finetune.gastown.live_sessions import LiveSession, live_sessions
from node0.finetune.gastown.role_agents import OURS, RoleAgent, role_agents
from node0.finetune.role import Role
from node0.town import Town

RESTARTS: Mapping[str, str] = {
    Role.MAYOR: "gt mayor restart",
    Role.DEACON: "gt deacon restart",
    Role.WITNESS: "gt witness restart {rig}",
    Role.REFINERY: "gt refinery restart {rig}",
    Role.CREW: "gt crew restart {rig}/{member}",
    Role.POLECAT: "gt session restart {rig}/{member}",
}
"How gt starts a role anew by its settings."

AT_ITS_END = "nothing: it ends with its work, and the next one is as it should be"
"Dogs and boot."


def session_checks(town: Town) -> Iterator[CheckResult]:
    """A line for each session that is stale, and one for those with an agent of ours that are not.

    Raises:
        ConfigError: a settings file cannot be read.
        RetriableError: tmux does not answer.
    """
    try:
        found = live_sessions(town.tmux_socket)
    except NotFound as error:
        yield note("sessions", f"not looked at: {error}", "install tmux, or mend PATH")
        return
    yield from stale_sessions(found, role_agents(town), _entries(town))


def stale_sessions(
    sessions: Sequence[LiveSession],
    roles: Sequence[RoleAgent],
    entries: Mapping[str, Mapping[str, Any]],
) -> Iterator[CheckResult]:
    """A line for each session that is stale, and one for those with an agent of ours that are not.

    Args:
        sessions: That live.
        roles: What gt starts for each role.
        entries: Agents by name, by the rig whose settings have them; those of the town are `""`.
    """
    by_place = {(one.role, one.rig): one for one in roles}
    fresh = 0
    for session in sessions:
        rig = "" if session.rig == TOWN_RIG else session.rig
        role = by_place.get((session.role, rig))
        wanted = _wanted(session, role) if role else ""
        known = bool(session.agent or session.command)
        if known and (wanted.startswith(OURS) or session.agent.startswith(OURS)):
            problem = _problem(session, wanted, entries.get(rig, entries.get("", {})))
            if problem:
                yield bad("sessions", f"{session.name} {problem}", _restart(session))
            fresh += not problem
    if fresh:
        yield ok("sessions", f"{fresh} with an agent of ours, as it would be started now")


def runs(words: Sequence[str], entry: Mapping[str, Any]) -> bool:
    """Whether a command of these words has an agent's command and arguments in it, one behind the other."""
    command, given = str(entry.get("command") or ""), entry.get("args")
    args = [str(word) for word in given] if isinstance(given, list) else []
    ends = range(len(args) + 1, len(words) + 1)
    # gt names the place of a command that the entry names alone.
    called = ((words[end - len(args) - 1], words[end - len(args) : end]) for end in ends)
    return any(list(own) == args and command in (program, Path(program).name) for program, own in called)


def _wanted(session: LiveSession, role: RoleAgent) -> str:
    """The agent that gt starts for a session; a dog may have been given ours by hand."""
    named = role.not_followed.rpartition(" ")[2]
    if named and session.agent == named:
        return named
    members = {one.name: one.agent for one in role.members}
    return members.get(_member(session), role.agent)


def _problem(session: LiveSession, wanted: str, entries: Mapping[str, Any]) -> str:
    """What is wrong with a session; empty where nothing is."""
    if session.agent == wanted:
        entry = entries.get(wanted)
        is_other = session.command and isinstance(entry, Mapping) and not runs(session.command, entry)
        return f"runs {wanted} as it was before it was last deployed" if is_other else ""
    handoff = "keeps it" if session.agent in entries else "is refused"
    now = f"runs {session.agent or 'an agent of gt'}" + (
        f" (a handoff {handoff})" if session.agent.startswith(OURS) else ""
    )
    return f"{now}; started anew it runs {wanted}"


def _restart(session: LiveSession) -> str:
    form = RESTARTS.get(session.role, AT_ITS_END)
    return form.format(rig=session.rig, member=_member(session))


def _member(session: LiveSession) -> str:
    return session.actor.rpartition("/")[2]


def _entries(town: Town) -> dict[str, dict[str, Any]]:
    of_town = _agents(town.read_settings())
    return {"": of_town} | {rig: {**of_town, **_agents(town.read_rig_settings(rig))} for rig in town.rigs()}


def _agents(settings: Mapping[str, Any]) -> dict[str, Any]:
    found = settings.get("agents")
    return dict(found) if isinstance(found, Mapping) else {}
