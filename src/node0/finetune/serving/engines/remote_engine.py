# SPDX-License-Identifier: Apache-2.0
"""External engines over HTTP: ids go out, a stream of server-sent events brings ids back."""

import json
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Protocol

import httpx

from node0.errors import ConfigError, EngineUnavailable, Node0Error
from node0.finetune.serving.constraint import AnswerForm
from node0.finetune.serving.engines.token_engine import EngineFigures, GeneratedToken, GenerationRequest
from node0.finetune.serving.sent_events import SentEvents
from node0.finetune.serving.server_url import server_url

CONNECT_SECONDS = 5.0
SILENCE_SECONDS = 600.0
"An engine that is silent for longer, as in a long prefill, counts as gone."

PROBE_SECONDS = 2.0
SAID = 300
"Characters of a refusal that are passed on."


Ask = Callable[[Mapping[str, Any]], Awaitable[Mapping[str, Any]]]
"Posts a body that wants no stream, and returns the object that answers it."


class Dialect(Protocol):
    """How one kind of engine is asked and understood."""

    path: str
    "Of the endpoint that takes token ids."

    health: str
    "Of the endpoint that answers 200 when the engine can be asked."

    advice: str
    "What to do where it refuses the form of an answer."

    def body(self, request: GenerationRequest) -> dict[str, Any]:
        """What is posted."""
        ...

    async def binding(self, form: AnswerForm, request: GenerationRequest, ask: Ask) -> Mapping[str, Any]:
        """What is posted besides, so that the answer is of the form.

        Raises:
            ConfigError: this engine cannot hold an answer to it.
        """
        ...

    def tokens(
        self, event: Mapping[str, Any], request: GenerationRequest, seen: int
    ) -> Sequence[GeneratedToken]:
        """The new ids that an event brings, after the `seen` ones of earlier events.

        Raises:
            EngineUnavailable: the engine read another prompt, or does not send ids.
        """
        ...


class RemoteEngine:
    """An engine that another program runs; whatever connects to it is closed with it."""

    def __init__(
        self, url: str, dialect: Dialect, *, token: str | None = None, client: httpx.AsyncClient | None = None
    ) -> None:
        """Ask the engine at `url`, with a bearer `token` where it wants one.

        Raises:
            ConfigError: `url` can be none.
        """
        self._url = server_url(url)
        self._dialect = dialect
        # No proxy of the environment: an engine is named by its own address.
        self._client = client or httpx.AsyncClient(trust_env=False)
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._open: Counter[str] = Counter()

    async def open(self, request: GenerationRequest) -> "RemoteAnswer":
        """Send the request; returns when the engine has taken it."""
        if request.mask is not None:
            raise ConfigError(
                "another engine takes no mask of ids; leave the constraint out, or use --engine own"
            )
        body = self._dialect.body(request)
        if request.form is not None:
            bound = await self._dialect.binding(request.form, request, partial(self._ask, request))
            body = {**body, **bound}
        response = await self._post(request, body)
        self._open[request.model] += 1
        return RemoteAnswer(self, request, response)

    async def ready(self) -> str:
        """Why it cannot answer now; empty when it can."""
        try:
            answer = await self._client.get(
                self._url + self._dialect.health, headers=self._headers, timeout=PROBE_SECONDS
            )
        except httpx.HTTPError as error:
            return f"the engine does not answer ({type(error).__name__})"
        return "" if answer.is_success else f"the engine answers {answer.status_code}"

    def waiting(self) -> dict[str, int]:
        """Open requests, by model."""
        return dict(self._open)

    def figures(self) -> dict[str, EngineFigures]:
        """The other program tells its own."""
        return {}

    async def close(self) -> None:
        """Close all connections."""
        await self._client.aclose()

    def new_tokens(
        self, event: Mapping[str, Any], request: GenerationRequest, seen: int
    ) -> Sequence[GeneratedToken]:
        """The ids that an event brings after `seen` others; for `RemoteAnswer`."""
        if "error" in event:
            error = event["error"] if isinstance(event["error"], dict) else {"message": event["error"]}
            said = f"the engine reports an error ({_words(str(error.get('message', '')))})"
            raise self._refused(request, said, status=error.get("code"))
        return self._dialect.tokens(event, request, seen)

    def left(self, request: GenerationRequest) -> None:
        """Count an answer that ended; for `RemoteAnswer`."""
        self._open[request.model] -= 1

    async def _ask(self, request: GenerationRequest, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """The object that answers a body without a stream; for the dialect."""
        response = await self._post(request, body)
        try:
            found = json.loads(await response.aread())
        except (httpx.HTTPError, ValueError, RecursionError):
            found = None
        finally:
            await response.aclose()
        if not isinstance(found, dict):
            raise EngineUnavailable(f"the engine at {self._url} sends what is no JSON object; see its log")
        return found

    async def _post(self, request: GenerationRequest, body: Mapping[str, Any]) -> httpx.Response:
        """A response that has begun well."""
        timeout = httpx.Timeout(SILENCE_SECONDS, connect=CONNECT_SECONDS)
        post = self._client.build_request(
            "POST", self._url + self._dialect.path, json=body, headers=self._headers, timeout=timeout
        )
        try:
            response = await self._client.send(post, stream=True)
        except httpx.HTTPError as error:
            raise EngineUnavailable(
                f"the engine at {self._url} does not answer ({type(error).__name__}); see whether it runs"
            ) from None
        if response.status_code == httpx.codes.OK:
            return response
        said = f"the engine at {self._url} answers {response.status_code} ({await _said(response)})"
        raise self._refused(request, said, status=response.status_code)

    def _refused(self, request: GenerationRequest, said: str, *, status: object) -> Node0Error:
        """What becomes of a request that the engine did not take."""
        if request.form is None:
            return EngineUnavailable(f"{said}; see its log")
        if status == httpx.codes.BAD_REQUEST:
            return ConfigError(f"{said} to a request for an answer of a form; {self._dialect.advice}")
        return EngineUnavailable(f"{said}; see its log; for an answer of a form {self._dialect.advice}")


class RemoteAnswer:
    """One answer of an external engine; closing it closes the connection, and the engine stops."""

    def __init__(self, engine: RemoteEngine, request: GenerationRequest, response: httpx.Response) -> None:
        self._engine = engine
        self._request = request
        self._response = response
        self._tokens = self._read()
        self._left = False
        self.reused = 0
        "What the other engine reuses is its own affair."

    def __aiter__(self) -> "RemoteAnswer":
        return self

    async def __anext__(self) -> GeneratedToken:
        return await anext(self._tokens)

    async def aclose(self) -> None:
        """Let the engine stop."""
        if not self._left:
            self._left = True
            self._engine.left(self._request)
        await self._response.aclose()

    async def _read(self) -> AsyncIterator[GeneratedToken]:
        seen = 0
        try:
            async for event in _events(self._response):
                for token in self._engine.new_tokens(event, self._request, seen):
                    seen += 1
                    yield token
        except (httpx.HTTPError, httpx.StreamError) as error:
            raise EngineUnavailable(
                f"the engine broke off its answer ({type(error).__name__}); see its log"
            ) from None
        finally:
            await self.aclose()


async def _said(response: httpx.Response) -> str:
    """The first words of a refusal."""
    said = b""
    with suppress(httpx.HTTPError):
        async for piece in response.aiter_bytes():
            said += piece
            if len(said) >= SAID:
                break
    await response.aclose()
    return _words(said.decode(errors="replace"))


def _words(said: str) -> str:
    return " ".join(said[:SAID].split())


async def _events(response: httpx.Response) -> AsyncIterator[Mapping[str, Any]]:
    """The JSON objects of a stream of server-sent events, until `[DONE]` or its end."""
    events = SentEvents("the engine")
    async for text in response.aiter_text():
        for event in events.read(text):
            yield event
        if events.done:
            return
    for event in events.read("\n"):
        yield event
