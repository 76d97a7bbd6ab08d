# SPDX-License-Identifier: Apache-2.0
"""The tmux sessions of a town that live now: whose each is, and which agent runs in it.

gt puts an agent into a session of the town's own tmux server and says in the session's environment who it
is: GT_ROLE (`deacon`, `demo/polecats/onyx`) and GT_AGENT, the agent's name in the town's settings. tmux keeps
the session's command, which says GT_AGENT also where its environment does not (`gt deacon start`).
"""

import shlex
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from node0.errors import NotFound, RetriableError
from node0.finetune.corpus.town.actors import role_and_rig

SECONDS = 10
START = "#{pane_start_command}"


class LiveSession(NamedTuple):
    """One session."""

    name: str
    role: str
    rig: str
    agent: str
    "As the town's settings name it; empty where the session does not tell."

    since: str
    "ISO 8601, UTC, to the second."

    actor: str = ""
    "As gt names it: `demo/crew/ada`."

    command: tuple[str, ...] = ()
    "The words by which the program of its pane was started, or started again; empty where tmux has none."


def live_sessions(socket: str) -> list[LiveSession]:
    """Every session of gt on a tmux server, by name; none where no server runs.

    Args:
        socket: name of the server, as `tmux -L` takes it.

    Raises:
        NotFound: tmux is not installed.
        RetriableError: tmux does not answer.
    """
    lines = _tmux(socket, "list-sessions", "-F", "#{session_created} #{session_name}").splitlines()
    found = []
    for line in sorted(lines, key=lambda line: line.partition(" ")[2]):
        created, _, name = line.partition(" ")
        told = _environment(socket, name)
        if actor := told.get("GT_ROLE"):
            since = datetime.fromtimestamp(int(created), UTC).isoformat(timespec="seconds")
            command = words_of(_tmux(socket, "display-message", "-p", "-t", f"={name}:", START))
            agent = told.get("GT_AGENT") or _agent_in(command)
            found.append(LiveSession(name, *role_and_rig(actor), agent, since, actor, command))
    return found


def words_of(shown: str) -> tuple[str, ...]:
    """The words of a command as tmux shows it: quoted as one (3.3), or as it was given (older)."""
    try:
        words = shlex.split(shown)
        return tuple(shlex.split(words[0]) if len(words) == 1 else words)
    except ValueError:
        return ()


def _agent_in(command: Sequence[str]) -> str:
    mark = "GT_AGENT="
    return next((word.removeprefix(mark) for word in command if word.startswith(mark)), "")


def _environment(socket: str, name: str) -> dict[str, str]:
    """What a session's environment says; nothing where it has ended meanwhile."""
    lines = _tmux(socket, "show-environment", "-t", f"={name}").splitlines()
    return {key: value for line in lines for key, sign, value in [line.partition("=")] if sign}


def _tmux(socket: str, *words: str) -> str:
    """What tmux says; nothing where it has no such server or session."""
    command: Sequence[str] = ["tmux", "-L", socket, *words]
    try:
        done = subprocess.run(command, capture_output=True, timeout=SECONDS, check=False)
    except FileNotFoundError as error:
        raise NotFound("tmux is not installed: live sessions cannot be seen") from error
    except subprocess.TimeoutExpired as error:
        raise RetriableError(f"tmux did not answer in {SECONDS} s on server {socket!r}: try again") from error
    return done.stdout.decode("utf-8", "replace") if done.returncode == 0 else ""
