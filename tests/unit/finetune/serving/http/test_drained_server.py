# SPDX-License-Identifier: Apache-2.0
import os
import signal
import threading

import httpx
import pytest
from serving_parts import ScriptedEngine, application

from node0.errors import BadCheckpoint, ConfigError
from node0.finetune.serving.http.drained_server import listen, run_until_stopped
from node0.finetune.serving.http.serving_state import ServingState


async def nothing() -> None:
    pass


def test_a_signal_ends_it_after_the_answers_that_were_begun_and_what_runs_is_closed() -> None:
    engine, state, closed, told = ScriptedEngine("well"), ServingState(), [], []
    app = application(engine, state=state)

    def ask(url: str) -> None:
        with httpx.Client(trust_env=False) as client:
            told.append(client.get(f"{url}/health").status_code)
            os.kill(os.getpid(), signal.SIGTERM)

    async def close() -> None:
        closed.append(True)

    before = signal.getsignal(signal.SIGTERM)
    with listen("127.0.0.1", 0) as listening:
        client = threading.Thread(target=ask, args=(f"http://127.0.0.1:{listening.getsockname()[1]}",))
        client.start()
        run_until_stopped(app, listening, state, warm_up=nothing, close=close)
        client.join(5)

    assert (told, closed, state.draining) == ([200], [True], True)
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_model_that_cannot_be_loaded_ends_the_server_with_its_error() -> None:
    async def broken() -> None:
        raise BadCheckpoint("torn")

    with listen("127.0.0.1", 0) as listening, pytest.raises(BadCheckpoint, match="torn"):
        run_until_stopped(
            application(ScriptedEngine()), listening, ServingState(), warm_up=broken, close=nothing
        )


def test_an_address_that_is_taken_is_refused_with_what_to_do() -> None:
    with listen("127.0.0.1", 0) as taken, pytest.raises(ConfigError, match="give another --host or --port"):
        listen("127.0.0.1", taken.getsockname()[1])
