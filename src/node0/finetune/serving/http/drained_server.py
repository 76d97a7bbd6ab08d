# SPDX-License-Identifier: Apache-2.0
"""Run the application on a socket until SIGTERM or Ctrl-C, and answer what was taken before leaving."""

import asyncio
import logging
import signal
import socket
import threading
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from types import FrameType

import uvicorn
from fastapi import FastAPI

from node0.errors import ConfigError
from node0.finetune.serving.http.serving_state import ServingState
from node0.finetune.serving.http.strict_protocol import StrictProtocol

logger = logging.getLogger(__name__)

DRAIN_SECONDS = 120
"How long answers that were begun may take after the signal."

KEEP_ALIVE_SECONDS = 75
BACKLOG = 512


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens at this address; port 0 takes a free one.

    Raises:
        ConfigError: the address is taken, or not this machine's.
    """
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(address[:2], family=family, backlog=BACKLOG)
    except OSError as error:
        raise ConfigError(
            f"cannot listen on {host} port {port}: {error.strerror or error}; give another --host or --port"
        ) from None


def run_until_stopped(
    app: FastAPI,
    listening: socket.socket,
    state: ServingState,
    *,
    warm_up: Callable[[], Awaitable[None]],
    close: Callable[[], Awaitable[None]],
) -> None:
    """Serve; load models meanwhile; drain on a signal; a second Ctrl-C cuts answers short.

    Raises:
        Exception: whatever the loading of a model raised; the server has ended then.
    """
    config = uvicorn.Config(
        app,
        http=StrictProtocol,
        log_config=None,
        access_log=False,
        server_header=False,
        lifespan="off",
        timeout_graceful_shutdown=DRAIN_SECONDS,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
    )
    with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:  # uvloop, where it is installed
        runner.run(_run(_DrainedServer(config, state), listening, warm_up, close))


async def _run(
    server: "_DrainedServer",
    listening: socket.socket,
    warm_up: Callable[[], Awaitable[None]],
    close: Callable[[], Awaitable[None]],
) -> None:
    warming = asyncio.ensure_future(warm_up())
    warming.add_done_callback(server.stop_if_failed)
    try:
        await server.serve(sockets=[listening])
    finally:
        await close()
    if warming.done() and not warming.cancelled():
        warming.result()
    warming.cancel()


class _DrainedServer(uvicorn.Server):
    """A server for which a signal is a wish, not a death: its process goes on to clean up."""

    def __init__(self, config: uvicorn.Config, state: ServingState) -> None:
        super().__init__(config)
        self._state = state

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Note SIGINT and SIGTERM; uvicorn's own would raise them again after draining."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        numbers = (signal.SIGINT, signal.SIGTERM)
        before = {number: signal.signal(number, self.handle_exit) for number in numbers}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Drain at the first signal."""
        self._state.draining = True
        super().handle_exit(sig, frame)

    def stop_if_failed(self, warming: asyncio.Future[None]) -> None:
        """A model that cannot be loaded ends the server."""
        if not warming.cancelled() and warming.exception() is not None:
            self.should_exit = True
