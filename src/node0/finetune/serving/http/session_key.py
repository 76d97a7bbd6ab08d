# SPDX-License-Identifier: Apache-2.0
"""What tells the requests of one session from those of others.

Harnesses say it in a header (seen: `X-Claude-Code-Session-Id` of Claude Code 2.1.330, `x-session-id` and
`x-session-affinity` of opencode 1.18.33), or in the body's `metadata.user_id` (Claude Code, as JSON with a
`session_id`, in older versions as text that ends in `_session_ID`). Where a client says nothing, its first
turn stands for the session, which every later request of it holds again.
"""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from starlette.requests import Request

LONGEST = 256
"Characters of what a client may call a session."

_HEADER = re.compile(r"(?:.*[-_])?session[-_](?:id|affinity)")
_USER = re.compile(r".*_session_([\w-]+)")


def session_key(
    request: Request, turns: Sequence[Mapping[str, Any]] = (), metadata: Mapping[str, Any] | None = None
) -> str:
    """The session of a request; empty where nothing tells it.

    Args:
        request: Its headers.
        turns: Its messages, as they came.
        metadata: Of its body.
    """
    user = (metadata or {}).get("user_id")
    told = _in_headers(request.headers) or (_in_user(user) if isinstance(user, str) else "")
    return told if 0 < len(told) <= LONGEST else _first_turn(turns)


def _in_headers(headers: Mapping[str, str]) -> str:
    """The first in the order of names: a harness that sends two says the same in both."""
    found = sorted((name, value) for name, value in headers.items() if _HEADER.fullmatch(name.lower()))
    return next((value.strip() for _, value in found if value.strip()), "")


def _in_user(user: str) -> str:
    try:
        told = json.loads(user)
    except (ValueError, RecursionError):
        named = _USER.fullmatch(user)
        return named[1] if named else ""
    session = told.get("session_id") if isinstance(told, dict) else None
    return session if isinstance(session, str) else ""


def _first_turn(turns: Sequence[Mapping[str, Any]]) -> str:
    """Of its words alone: marks of a cache are on it in one request and not in the next."""
    first = next((turn.get("content") for turn in turns if turn.get("role") == "user"), None)
    blocks = [{"text": first}] if isinstance(first, str) else first or []
    text = "\n".join(str(block["text"]) for block in blocks if "text" in block)
    return f"turn-{hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()}" if text else ""
