# SPDX-License-Identifier: Apache-2.0
"""Capture a live tmux session: the lossy fallback where no transcript exists."""

import re
import subprocess
from collections.abc import Sequence

from node0.errors import NotFound, RetriableError

SECONDS = 20
ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]{0,4096}(?:\x07|\x1b\\)|[@-Z\\-_])")


def capture_session(name: str, sockets: Sequence[str] = ()) -> str:
    """The whole scrollback of a session's pane as plain text, wrapped lines joined.

    Args:
        sockets: Names of tmux servers to ask before the default one.

    Raises:
        NotFound: tmux is not installed, or no server has the session.
        RetriableError: tmux does not answer.
    """
    for socket in (*sockets, ""):
        done = _tmux(["-L", socket] if socket else [], name)
        if done.returncode == 0:
            return ESCAPES.sub("", done.stdout.decode("utf-8", "replace")).rstrip() + "\n"
    asked = ", ".join([*sockets, "the default server"])
    raise NotFound(f"no tmux session {name!r} on {asked}: see `tmux -L SOCKET list-sessions`")


def _tmux(server: Sequence[str], name: str) -> subprocess.CompletedProcess[bytes]:
    command = ["tmux", *server, "capture-pane", "-p", "-J", "-S", "-", "-E", "-", "-t", f"={name}:"]
    try:
        return subprocess.run(command, capture_output=True, timeout=SECONDS, check=False)
    except FileNotFoundError as error:
        raise NotFound("tmux is not installed: collect transcripts instead (leave out --session)") from error
    except subprocess.TimeoutExpired as error:
        raise RetriableError(f"tmux did not answer in {SECONDS} s for session {name!r}: try again") from error
