# SPDX-License-Identifier: Apache-2.0
"""The desk as a web application: which page answers which address, and what an error looks like."""

import logging
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from fastapi import FastAPI
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.staticfiles import StaticFiles

from node0.commands.desk.pages import (
    corpus_pages,
    live_pages,
    review_pages,
    run_pages,
    savings_pages,
    version_pages,
)
from node0.commands.desk.pages.desk_page import Asked, Desk, Document, Moved, Page, Shown
from node0.commands.desk.web.desk_access import DeskAccess, form_token, may_change
from node0.commands.desk.web.page_templates import rendered
from node0.commands.desk.web.posted_form import read_form
from node0.errors import ConfigError, Node0Error, NotFound

logger = logging.getLogger(__name__)

STATIC = Path(__file__).parents[1] / "static"
PAGES: Mapping[tuple[str, str], Page] = {
    ("GET", "/"): lambda desk, asked: Moved("/corpus"),
    ("GET", "/corpus"): corpus_pages.entries,
    ("GET", "/corpus/{entry_id}"): corpus_pages.entry,
    ("GET", "/review"): review_pages.waiting,
    ("POST", "/review"): review_pages.decide,
    ("GET", "/runs"): run_pages.runs,
    ("GET", "/runs/{job}"): run_pages.run,
    ("GET", "/versions"): version_pages.versions,
    ("GET", "/versions/{name}"): version_pages.version,
    ("GET", "/versions/{name}/reports/{number}"): version_pages.report,
    ("POST", "/versions/{name}/candidate"): version_pages.promote,
    ("GET", "/live"): live_pages.live,
    ("GET", "/live/{session}"): live_pages.session,
    ("GET", "/savings"): savings_pages.saved,
}


def desk_app(desk: Desk, *, token: str, port: int) -> FastAPI:
    """The application; whoever asks needs the token."""
    # No pages of its own: they would load scripts from elsewhere.
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    for (method, path), page in PAGES.items():
        app.add_api_route(path, _answering(page, desk, token), methods=[method], response_model=None)
    app.mount("/static", StaticFiles(directory=STATIC))
    app.add_exception_handler(HTTPException, _no_page)
    app.add_middleware(DeskAccess, token=token, port=port)
    return app


def _answering(page: Page, desk: Desk, token: str) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        try:
            form = await read_form(request) if request.method == "POST" else {}
            if request.method == "POST" and not may_change(form, token):
                return _told(request, "this form is of an earlier desk; load the page again", 403)
            asked = Asked(request.path_params, request.query_params, form)
            return await run_in_threadpool(_response, request, page, desk, asked, token)
        except Node0Error as error:
            return _told(request, str(error), _status(error))
        except OSError as error:
            return _told(request, f"{error.strerror or error}: {error.filename or request.url.path}", 500)
        except Exception:  # the border between the server and a browser
            logger.exception("the page %s failed", request.url.path)
            return _told(request, "unexpected error; the terminal of node0 desk says more", 500)

    return answer


def _response(request: Request, page: Page, desk: Desk, asked: Asked, token: str) -> Response:
    answer = page(desk, asked)
    if isinstance(answer, Moved):
        return RedirectResponse(answer.to, 303)
    if isinstance(answer, Document):
        return HTMLResponse(answer.html, headers={"content-security-policy": answer.policy})
    return _page(request, answer, form_token(token))


def _page(request: Request, shown: Shown, form_token: str, status: int = 200) -> Response:
    html = rendered(shown, here=request.url.path, form_token=form_token)
    return HTMLResponse(html, status)


def _told(request: Request, message: str, status: int) -> Response:
    """An error: a page for a person, a line for the script of a page."""
    if "hx-request" in request.headers:
        return PlainTextResponse(message, status)
    return _page(request, Shown("error.html", {"message": message, "status": status}), "", status)


def _status(error: Node0Error) -> int:
    if isinstance(error, NotFound):
        return 404
    return 400 if isinstance(error, ConfigError) else 409


async def _no_page(request: Request, error: Exception) -> Response:
    return _told(request, "there is no such page", getattr(error, "status_code", 404))
