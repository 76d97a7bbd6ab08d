# SPDX-License-Identifier: Apache-2.0
"""Who may ask: whoever has a key, or, without keys, this machine alone."""

import hmac
import ipaddress
from collections.abc import Sequence

from starlette.requests import Request

from node0.finetune.serving.http.api_keys import ApiKey
from node0.finetune.serving.protocols.api_errors import RequestRefused

OPEN_PATHS = ("/health", "/ready")
"What says nothing but whether the server lives."


class Admission:
    """Lets requests in that carry a key's token; without keys those that name this machine as their host."""

    def __init__(self, keys: Sequence[ApiKey] = ()) -> None:
        self._keys = [(key, key.token.encode()) for key in keys]

    def check(self, request: Request) -> ApiKey | None:
        """The key of a request; None where none is needed.

        Raises:
            RequestRefused: the token is absent or wrong; there is none, and a page of another site asks; or
                its length is told in two ways.
        """
        if "content-length" in request.headers and "transfer-encoding" in request.headers:
            # Whoever forwarded it may have read another body than we would.
            raise RequestRefused("a body has a length or is chunked, not both", closes=True)
        if request.url.path in OPEN_PATHS:
            return None
        if self._keys:
            return self._key_of(request)
        if not is_loopback(asked_host(request)):
            raise RequestRefused("this server answers to loopback names only; ask 127.0.0.1", status=403)
        return None

    def _key_of(self, request: Request) -> ApiKey:
        given = request.headers.get("x-api-key", "")
        kind, _, bearer = request.headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer":
            given = bearer.strip()
        # Each is compared, so that the time taken says nothing.
        found = [key for key, token in self._keys if hmac.compare_digest(token, given.encode())]
        if not found:
            raise RequestRefused("the API key is absent or wrong; send it as a bearer token", status=401)
        return found[0]


def is_loopback(host: str) -> bool:
    """Whether a host's name or address is this machine's own."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def asked_host(request: Request) -> str:
    """The name by which the client knows this server: a page that re-bound its own name still sends that."""
    host = request.headers.get("host", "")
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0].lower()
