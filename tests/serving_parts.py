# SPDX-License-Identifier: Apache-2.0
"""Served tiny models, an engine that answers what it is told, and one that does so over HTTP."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NoReturn

import httpx
from fastapi import FastAPI
from tiny_chat import tiny_tokenizer

from node0.finetune.chat.profile import DeploymentProfile
from node0.finetune.chat.render import Renderer
from node0.finetune.inference.text import BROKEN
from node0.finetune.serving.engines.token_engine import (
    EngineFigures,
    GeneratedToken,
    GenerationRequest,
    TokenStream,
)
from node0.finetune.serving.gateway import Gateway
from node0.finetune.serving.http.serving_app import ServingOptions, serving_app
from node0.finetune.serving.http.serving_state import ServingState
from node0.finetune.serving.served_models import ModelCatalogue, ServedModel

TOKENIZER = tiny_tokenizer()
END = TOKENIZER.convert_tokens_to_ids("<|end|>")


def encode(text: str) -> list[int]:
    """One id a byte."""
    return list(TOKENIZER(text, add_special_tokens=False)["input_ids"])


def decode(ids: Sequence[int]) -> str:
    return str(TOKENIZER.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False))


def served(
    *ids: str, context: int = 4096, profile: DeploymentProfile | None = None, template: str = "shipped"
) -> ServedModel:
    tokenizer = tiny_tokenizer(template)
    return ServedModel(
        ids=ids or ("tiny",),
        engine_name=(ids or ("tiny",))[0],
        renderer=Renderer(tokenizer, profile),
        decode=lambda given: str(tokenizer.decode(given, skip_special_tokens=True)),
        context=context,
        vocab_size=len(tokenizer),
        created=1_700_000_000,
    )


class ScriptedStream:
    def __init__(self, ids: Sequence[int], *, hang: bool, error: Exception | None) -> None:
        self._ids = iter(ids)
        self._hang = hang
        self._error = error
        self.closed = False
        self.reused = 0

    def __aiter__(self) -> AsyncIterator[GeneratedToken]:
        return self

    async def __anext__(self) -> GeneratedToken:
        for token_id in self._ids:
            return GeneratedToken(token_id)
        if self._error is not None:
            raise self._error
        if self._hang:
            await asyncio.Event().wait()
        raise StopAsyncIteration

    async def aclose(self) -> None:
        self.closed = True


class OnlyCut(list[GeneratedToken]):
    """Gives parts of itself, and is never looked through from its begin: that is done at each piece."""

    def __iter__(self) -> NoReturn:
        raise AssertionError("all tokens were looked at")


class ScriptedEngine:
    """Answers each request with the next text, and notes what it was asked."""

    def __init__(
        self, *texts: str, end: bool = True, hang: bool = False, error: Exception | None = None
    ) -> None:
        self.requests: list[GenerationRequest] = []
        self.streams: list[ScriptedStream] = []
        self.refusal: Exception | None = None
        self.not_ready = ""
        self._texts = iter(texts)
        self._end = end
        self._hang = hang
        self._error = error

    async def open(self, request: GenerationRequest) -> TokenStream:
        if self.refusal is not None:
            raise self.refusal
        self.requests.append(request)
        ids = [*encode(next(self._texts, "")), *([END] if self._end else [])]
        self.streams.append(ScriptedStream(ids, hang=self._hang, error=self._error))
        return self.streams[-1]

    async def ready(self) -> str:
        return self.not_ready

    def waiting(self) -> dict[str, int]:
        return {"tiny": sum(not stream.closed for stream in self.streams)}

    def figures(self) -> dict[str, EngineFigures]:
        return {}

    async def close(self) -> None:
        pass


def application(
    engine: ScriptedEngine,
    *models: ServedModel,
    options: ServingOptions | None = None,
    state: ServingState | None = None,
) -> FastAPI:
    gateway = Gateway(ModelCatalogue(models or [served()]), engine)
    return serving_app(gateway, options or ServingOptions(), state or ServingState())


def asked(app: FastAPI, work: Callable[[httpx.AsyncClient], Awaitable[Any]]) -> Any:
    """The result of `work` with a client of the application."""

    async def run() -> Any:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            return await work(client)

    return asyncio.run(run())


def posted(app: FastAPI, path: str, body: Any, **options: Any) -> httpx.Response:
    """The response to one posted body; bytes are sent as they are."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    response: httpx.Response = asked(app, lambda client: client.post(path, content=content, **options))
    return response


def got(app: FastAPI, path: str, **options: Any) -> httpx.Response:
    response: httpx.Response = asked(app, lambda client: client.get(path, **options))
    return response


def events(text: str) -> list[Any]:
    """The data of a stream of server-sent events."""
    found = [line.removeprefix("data: ") for line in text.splitlines() if line.startswith("data: ")]
    return [json.loads(data) if data != "[DONE]" else data for data in found]


RULES = 'root ::= "{}"\n'
"What the engine makes of any schema."


class _EngineServer(ThreadingHTTPServer):
    daemon_threads = True
    engine: "ScriptedHttpEngine"


class _Handler(BaseHTTPRequestHandler):
    server: _EngineServer

    def do_GET(self) -> None:
        self.send_response(self.server.engine.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_POST(self) -> None:
        engine = self.server.engine
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        engine.bodies.append(body)
        self.send_response(engine.status)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        if engine.status != 200:
            self.wfile.write(b'{"error": "no such model"}')
            return
        if body.get("n_predict") == 0:
            # As llama-server does: what it was asked is told again, a schema as the rules that it made of it.
            self.wfile.write(json.dumps({"generation_settings": {"grammar": RULES}}).encode())
            return
        try:
            self._answer(engine, engine.chunks(self.path, body))
        except OSError:
            engine.cut.set()

    def _answer(self, engine: "ScriptedHttpEngine", chunks: Iterator[dict[str, Any]]) -> None:
        for number, chunk in enumerate(chunks):
            if number == 1 and engine.hold is not None:
                self._wait(engine.hold)
            self.wfile.write(f"data: {json.dumps(chunk)}\n\n".encode())
            self.wfile.flush()
        self.wfile.write(b"data: [DONE]\n\n")

    def _wait(self, hold: threading.Event) -> None:
        """Until the event, or until the client closes its connection."""
        self.connection.settimeout(0.02)
        while not hold.is_set():
            try:
                if self.connection.recv(1) == b"":
                    raise BrokenPipeError
            except TimeoutError:
                continue

    def log_message(self, *args: object) -> None:
        pass


class ScriptedHttpEngine:
    """Speaks vLLM's `/v1/completions`, llama-server's `/completion` and SGLang's `/generate`, by ids."""

    def __init__(self, texts: Sequence[str]) -> None:
        self.texts = list(texts)
        self.bodies: list[dict[str, Any]] = []
        self.status = 200
        self.cut = threading.Event()
        "Set when a client closed its connection before the answer was whole."

        self.hold: threading.Event | None = None
        "An answer goes on after its first id when this is set."

        self.prompt_read: list[int] | None = None
        "The prompt that it says it read; None is the one it was sent."

        self.server = _EngineServer(("127.0.0.1", 0), _Handler)
        self.server.engine = self
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def chunks(self, path: str, body: dict[str, Any]) -> Iterator[dict[str, Any]]:
        if path == "/generate":
            yield from self._of_sglang(body)
            return
        limit = body.get("max_tokens", body.get("n_predict"))
        ids = [*encode(self.texts.pop(0) if self.texts else ""), END][:limit]
        read = body["prompt"] if self.prompt_read is None else self.prompt_read
        if path == "/completion":
            yield from self._of_llama_server(ids, read)
            return
        for number, token_id in enumerate(ids):
            told = {"prompt_token_ids": read} if number == 0 else {}
            yield {"choices": [{"index": 0, "text": "x", "token_ids": [token_id], **told}]}
        yield {"choices": [{"index": 0, "text": "", "token_ids": [], "finish_reason": "stop"}]}

    def _of_llama_server(self, ids: list[int], read: list[int]) -> Iterator[dict[str, Any]]:
        """Of the ids within a character only the last is sent, with the text of all."""
        unsent: list[int] = []
        for number, token_id in enumerate(ids, start=1):
            unsent.append(token_id)
            if not (text := decode(unsent)).endswith(BROKEN):
                yield {"content": text, "tokens": [token_id], "stop": False, "tokens_predicted": number}
                unsent = []
        ended = {"stop_type": "eos" if END in ids else "limit", "tokens_predicted": len(ids)}
        yield {"content": "", "tokens": [], "stop": True, "tokens_evaluated": len(read), **ended}

    def _of_sglang(self, body: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """All ids so far in each event; the count that stands beside them may be of a moment before."""
        limit = body["sampling_params"]["max_new_tokens"]
        ids = [*encode(self.texts.pop(0) if self.texts else ""), END][:limit]
        read = body["input_ids"] if self.prompt_read is None else self.prompt_read
        for number in range(1, len(ids) + 1):
            told = {"prompt_tokens": len(read), "completion_tokens": number, "finish_reason": None}
            yield {"text": None, "output_ids": ids[: number + number % 2], "meta_info": told}


@contextmanager
def scripted_http_engine(*texts: str) -> Iterator[ScriptedHttpEngine]:
    """The engine, answering on loopback."""
    engine = ScriptedHttpEngine(texts)
    thread = threading.Thread(target=engine.server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield engine
    finally:
        engine.server.shutdown()
        engine.server.server_close()
        thread.join()
