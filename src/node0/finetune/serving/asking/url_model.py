# SPDX-License-Identifier: Apache-2.0
"""Ask a model at a URL: our own server, or any other that speaks OpenAI's protocol."""

import json
from collections.abc import Generator, Iterator, Sequence
from contextlib import suppress
from itertools import chain
from typing import Any, cast

import httpx

from node0.documents.json_document import value_of
from node0.errors import ConfigError, EngineBusy, EngineUnavailable, Node0Error, NotFound
from node0.finetune.chat.messages import Request, Tool, ToolUseBlock
from node0.finetune.corpus.exchange.interchange_turns import to_openai
from node0.finetune.inference.reply import Answering, Reply
from node0.finetune.serving.sent_events import SentEvents
from node0.finetune.serving.server_url import server_url

CONNECT_SECONDS = 5.0
SILENCE_SECONDS = 600.0
"A server that is silent for longer counts as gone."

SAID = 300
"Characters of a refusal that are shown."

_BUSY = (429, 503, 529)


class UrlModel:
    """One model of a server. Its template and its parser are the server's own."""

    def __init__(
        self,
        url: str,
        name: str | None = None,
        *,
        token: str | None = None,
        tools: Sequence[Tool] = (),
        client: httpx.Client | None = None,
    ) -> None:
        """Look for the model at `url`, with or without `/v1` at its end; None takes the first one there.

        Raises:
            ConfigError: `url` can be none.
            EngineUnavailable: nothing answers there as an OpenAI server does.
            NotFound: it has no such model.
        """
        self._url = server_url(url).removesuffix("/v1").rstrip("/")
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        # No proxy of the environment: a server is named by its own address.
        self._client = client or httpx.Client(trust_env=False)
        self._client.headers.update(headers)
        self._client.timeout = httpx.Timeout(SILENCE_SECONDS, connect=CONNECT_SECONDS)
        try:
            self.name = self._found(name)
        except BaseException:
            self._client.close()
            raise
        self.about = f"at {self._url}"
        self.tools = tools

    def ask(self, request: Request, how: Answering, *, calls: bool = True) -> Reply:
        """Answer a conversation; without `calls` they are written as text."""
        system = [{"role": "system", "content": request["system"]}] if request["system"] else []
        turns = to_openai(cast(list[dict[str, Any]], request["messages"]), compact=True)
        body: dict[str, Any] = {"messages": [*system, *turns]}
        if request["tools"]:
            body["tools"] = [_function(tool) for tool in request["tools"]]
        return self._reply("/v1/chat/completions", body, how, calls=calls)

    def continue_text(self, text: str, how: Answering) -> Reply:
        """Continue the text itself."""
        return self._reply("/v1/completions", {"prompt": text}, how, calls=False)

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def _found(self, name: str | None) -> str:
        names = [card["id"] for card in self._models()]
        if name is None and names:
            return names[0]
        if name not in names:
            known = ", ".join(names[:5]) or "none"
            raise NotFound(f"no model {name or ''!r} at {self._url}; it has: {known}")
        return name

    def _models(self) -> list[dict[str, str]]:
        try:
            response = self._client.get(f"{self._url}/v1/models")
        except httpx.HTTPError as error:
            raise self._silent(error) from None
        if not response.is_success:
            raise self._refused(response)
        try:
            return [{"id": str(card["id"])} for card in response.json()["data"]]
        except (ValueError, LookupError, TypeError):
            raise EngineUnavailable(f"{self._url} is no OpenAI server; check the URL") from None

    def _reply(self, path: str, body: dict[str, Any], how: Answering, *, calls: bool) -> Reply:
        reply = Reply()
        whole = {"model": self.name, "stream": True, "stream_options": {"include_usage": True}, **body}
        reply.pieces = self._pieces(reply, path, whole | _drawn(how), calls=calls)
        return reply

    def _pieces(
        self, reply: Reply, path: str, body: dict[str, Any], *, calls: bool
    ) -> Generator[str | ToolUseBlock, None, None]:
        collected: dict[int, dict[str, str]] = {}
        try:
            with self._client.stream("POST", f"{self._url}{path}", json=body) as response:
                if not response.is_success:
                    response.read()
                    raise self._refused(response)
                for event in self._events(response):
                    yield from _words(event, reply, collected)
        except httpx.HTTPError as error:
            raise self._silent(error) from None
        for _, call in sorted(collected.items()):
            yield _block(call) if calls else _as_text(call)

    def _events(self, response: httpx.Response) -> Iterator[dict[str, Any]]:
        events = SentEvents(self._url)
        for text in chain(response.iter_text(), ["\n"]):
            for event in events.read(text):
                if "error" in event:
                    raise EngineUnavailable(f"{self._url} broke off: {_message(event)}; see its log")
                yield event

    def _silent(self, error: httpx.HTTPError) -> EngineUnavailable:
        kind = type(error).__name__
        return EngineUnavailable(f"{self._url} does not answer ({kind}); see whether the server runs")

    def _refused(self, response: httpx.Response) -> Node0Error:
        body: Any = None
        with suppress(ValueError):
            body = response.json()
        said = f"{self._url} answers {response.status_code}: {_message(body)}"
        match response.status_code:
            case 401 | 403:
                return ConfigError(f"{said}; give its token with --token-file")
            case status if status in _BUSY:
                return EngineBusy(f"{said}; ask again later")
            case status if status >= httpx.codes.INTERNAL_SERVER_ERROR:
                return EngineUnavailable(f"{said}; see its log")
        return ConfigError(said)


def _drawn(how: Answering) -> dict[str, Any]:
    given = {"max_tokens": how.max_tokens, "temperature": how.temperature, "top_p": how.top_p}
    # What is off is left out: not every server knows every name.
    more = {"seed": how.seed, "stop": list(how.stop) or None, "top_k": how.top_k or None}
    return {**given, **{name: value for name, value in more.items() if value is not None}}


def _words(event: dict[str, Any], reply: Reply, calls: dict[int, dict[str, str]]) -> Iterator[str]:
    """The text of an event; its figures go to `reply`, its parts of calls to `calls`."""
    if usage := event.get("usage"):
        reply.prompt_tokens = usage.get("prompt_tokens") or 0
        reply.answer_tokens = usage.get("completion_tokens") or 0
    for choice in event.get("choices") or ():
        delta = choice.get("delta") or {}
        for part in delta.get("tool_calls") or ():
            _collect(part, calls)
        if text := delta.get("content") or choice.get("text"):
            yield text
        if reason := choice.get("finish_reason"):
            reply.ending = "length" if reason == "length" else "end"


def _collect(part: dict[str, Any], calls: dict[int, dict[str, str]]) -> None:
    call = calls.setdefault(part.get("index", 0), {"id": "", "name": "", "arguments": ""})
    function = part.get("function") or {}
    call["id"] = part.get("id") or call["id"]
    call["name"] += function.get("name") or ""
    call["arguments"] += function.get("arguments") or ""


def _block(call: dict[str, str]) -> str | ToolUseBlock:
    given: Any = None
    with suppress(ValueError):
        given = value_of(call["arguments"] or "{}")
    if not isinstance(given, dict):
        return _as_text(call)
    return {"type": "tool_use", "id": call["id"], "name": call["name"], "input": given}


def _as_text(call: dict[str, str]) -> str:
    return (
        f'<tool_call>\n{{"name": {json.dumps(call["name"])}, "arguments": {call["arguments"]}}}\n</tool_call>'
    )


def _function(tool: Tool) -> dict[str, Any]:
    about = {"name": tool["name"], "description": tool["description"], "parameters": tool["input_schema"]}
    return {"type": "function", "function": about}


def _message(body: Any) -> str:
    """The words of an error body, in one line."""
    error = body.get("error") if isinstance(body, dict) else None
    text = error.get("message") if isinstance(error, dict) else error
    return " ".join(str(text or "no reason given").split())[:SAID]
