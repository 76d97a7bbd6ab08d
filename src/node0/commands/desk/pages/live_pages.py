# SPDX-License-Identifier: Apache-2.0
"""What is at work, at the desk: deployed versions, and the live sessions of their roles."""

from collections.abc import Mapping, Sequence
from typing import Any

from node0.commands.breaker.watch_models import watched_rows
from node0.commands.desk.pages.desk_page import Asked, Desk, Shown
from node0.commands.desk.pages.marked_text import spans
from node0.commands.desk.pages.slices import CHARACTERS, ROWS
from node0.commands.model.open_registry import open_registry
from node0.errors import NotFound
from node0.finetune.corpus.transcript.capture import capture_session
from node0.finetune.gastown.live_sessions import LiveSession, live_sessions
from node0.finetune.registry.deployment_log import DeploymentLog
from node0.finetune.registry.deployments import DeploymentState


def live(desk: Desk, asked: Asked) -> Shown:
    """What is at work with how its sessions ended, and which sessions of its roles live now."""
    del asked
    versions = _versions(desk)
    try:
        sessions, problem = _sessions(desk), ""
    except NotFound as error:
        sessions, problem = [], str(error)
    content = {
        "at_work": watched_rows(desk.town.root),
        "sessions": [_row(one, versions) for one in sessions[:ROWS]],
        "more": max(0, len(sessions) - ROWS),
        "problem": problem,
    }
    return Shown("live.html", content)


def session(desk: Desk, asked: Asked) -> Shown:
    """The end of what one live session shows on its terminal.

    Raises:
        NotFound: no session of a deployed role has that name.
    """
    name = asked.path["session"]
    found = next((one for one in _sessions(desk) if one.name == name), None)
    if found is None:
        raise NotFound(f"no live session {name!r} of a deployed role; see the list of those that live")
    text = capture_session(name, [desk.town.tmux_socket])[-CHARACTERS:]
    return Shown("session.html", {"session": _row(found, _versions(desk)), "spans": list(spans(text))})


def _versions(desk: Desk) -> dict[str, str]:
    """`NAME:VER` by the agent that it is at work as."""
    with open_registry(desk.town.root) as (registry, _):
        return {row.agent: row.spelled for row in DeploymentLog(registry.store).list(DeploymentState.ACTIVE)}


def _sessions(desk: Desk) -> Sequence[LiveSession]:
    with open_registry(desk.town.root) as (registry, _):
        roles = {row.role for row in DeploymentLog(registry.store).list(DeploymentState.ACTIVE)}
    return [one for one in live_sessions(desk.town.tmux_socket) if one.role in roles] if roles else []


def _row(one: LiveSession, versions: Mapping[str, str]) -> dict[str, Any]:
    return {
        "SESSION": one.name,
        "ROLE": one.role,
        "RIG": one.rig,
        "ANSWERED BY": versions.get(one.agent) or one.agent or "unknown",
        "SINCE": one.since,
    }
