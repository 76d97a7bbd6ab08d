# SPDX-License-Identifier: Apache-2.0
"""Who may ask the desk: whoever has the token, under a loopback name, and for a change from its own pages.

The token comes in the address that was printed and is put into a cookie that no script reads and no other
site's page sends. A form carries a second token, made of the first one, that only our pages have.
"""

import hashlib
import hmac
from collections.abc import Mapping
from urllib.parse import urlencode

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from node0.finetune.serving.http.admission import asked_host, is_loopback

PARAMETER = "token"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "cache-control": "no-store",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
}
"Of every answer that does not say otherwise."


class DeskAccess:
    """An ASGI application around another one that lets in who may ask.

    Args:
        app: what answers then.
        token: what the printed address holds.
        port: that is listened on; cookies know no ports, and two desks may be open.
    """

    def __init__(self, app: ASGIApp, *, token: str, port: int) -> None:
        self._app, self._token, self._cookie = app, token, f"node0-desk-{port}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or let the other application answer."""

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        answer = self._refusal(Request(scope)) if scope["type"] == "http" else None
        await (answer or self._app)(scope, receive, sent)

    def _refusal(self, request: Request) -> Response | None:
        """What is answered in the place of the page; None for who may ask."""
        if not is_loopback(asked_host(request)):
            return PlainTextResponse("the desk answers to loopback names only\n", 403)
        given = request.query_params.get(PARAMETER)
        if given is not None and request.method == "GET" and self._is_token(given):
            return self._welcome(request)
        if not self._is_token(request.cookies.get(self._cookie, "")):
            return PlainTextResponse("open the address that `node0 desk` printed: it holds a token\n", 401)
        if request.method != "GET" and not _is_own_page(request):
            return PlainTextResponse("another site's page asked for this\n", 403)
        return None

    def _welcome(self, request: Request) -> Response:
        """Keep the token in a cookie, and take it out of the address."""
        rest = [(name, value) for name, value in request.query_params.multi_items() if name != PARAMETER]
        place = "/" + request.url.path.lstrip("/") + (f"?{urlencode(rest)}" if rest else "")
        answer = RedirectResponse(place, 303)
        answer.set_cookie(self._cookie, self._token, httponly=True, samesite="strict")
        return answer

    def _is_token(self, given: str) -> bool:
        return hmac.compare_digest(self._token.encode(), given.encode())


def form_token(token: str) -> str:
    """What each form of the desk carries."""
    return hmac.new(token.encode(), b"form", hashlib.sha256).hexdigest()


def may_change(form: Mapping[str, str], token: str) -> bool:
    """Whether a form is one of ours."""
    return hmac.compare_digest(form_token(token).encode(), form.get("form_token", "").encode())


def _is_own_page(request: Request) -> bool:
    """Whether the page that asks is the desk's own, as far as the browser tells."""
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    own = f"http://{request.headers.get('host', '')}"
    return site in (None, "same-origin") and origin in (None, own)
