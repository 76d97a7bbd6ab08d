# SPDX-License-Identifier: Apache-2.0
"""Who may ask: bearer tokens from a file, or, without one, this machine alone."""

import hmac
import ipaddress
import stat
from collections.abc import Sequence
from pathlib import Path

from starlette.requests import Request

from node0.errors import ConfigError
from node0.finetune.serving.protocols.api_errors import RequestRefused

OPEN_PATHS = ("/health", "/ready")
"What says nothing but whether the server lives."

MIN_TOKEN = 16
"Characters of the shortest token that is taken."


class Admission:
    """Lets requests in that carry a token; without tokens those that name this machine as their host."""

    def __init__(self, tokens: Sequence[str] = ()) -> None:
        self._tokens = [token.encode() for token in tokens]

    def check(self, request: Request) -> None:
        """Refuse who may not ask.

        Raises:
            RequestRefused: the token is absent or wrong; or there is none, and a page of another site asks.
        """
        if request.url.path in OPEN_PATHS:
            return
        if self._tokens:
            self._check_token(request)
        elif not is_loopback(_host(request)):
            raise RequestRefused("this server answers to loopback names only; ask 127.0.0.1", status=403)

    def _check_token(self, request: Request) -> None:
        given = request.headers.get("x-api-key", "")
        kind, _, bearer = request.headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer":
            given = bearer.strip()
        # Each is compared, so that the time taken says nothing.
        if not sum(hmac.compare_digest(token, given.encode()) for token in self._tokens):
            raise RequestRefused("the API key is absent or wrong; send it as a bearer token", status=401)


def read_tokens(path: Path) -> list[str]:
    """The tokens of a file, one a line.

    Raises:
        ConfigError: it cannot be read, others may read it, or it holds no token that is long enough.
    """
    try:
        mode = path.stat().st_mode
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        raise ConfigError(f"cannot read tokens from {path}: {reason}; check the path") from None
    if mode & (stat.S_IRGRP | stat.S_IROTH):
        raise ConfigError(f"others may read the tokens in {path}; run: chmod 600 {path}")
    tokens = [line.strip() for line in lines if line.strip()]
    if not tokens or min(map(len, tokens)) < MIN_TOKEN:
        raise ConfigError(f"{path} needs one token a line, each of {MIN_TOKEN} characters or more")
    if not all(token.isascii() and token.isprintable() for token in tokens):
        raise ConfigError(f"{path} holds a token that no header can carry; use letters and digits")
    return tokens


def is_loopback(host: str) -> bool:
    """Whether a host's name or address is this machine's own."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _host(request: Request) -> str:
    """The name by which the client knows this server: a page that re-bound its own name still sends that."""
    host = request.headers.get("host", "")
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0].lower()
