# SPDX-License-Identifier: Apache-2.0
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest
import typer

from node0.commands.server.stop_signal import StopSignal

WAITS = """
import signal
from node0.commands.server.stop_signal import StopSignal

stop = StopSignal()
stop._waiting = True
print("waiting", flush=True)
stop.wait()
signal.signal(signal.SIGTERM, signal.SIG_IGN)
"""


@pytest.fixture(autouse=True)
def handler() -> Iterator[None]:
    """Give SIGTERM back."""
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


def test_it_ends_a_start_at_once_and_without_an_error() -> None:
    StopSignal()

    with pytest.raises(typer.Exit) as left:
        os.kill(os.getpid(), signal.SIGTERM)
        threading.Event().wait(1)

    assert left.value.exit_code == 0


def test_it_ends_the_wait_in_order() -> None:
    stop = StopSignal()
    threading.Timer(0.02, os.kill, (os.getpid(), signal.SIGTERM)).start()

    stop.wait()

    assert signal.getsignal(signal.SIGTERM) == stop._ask


def test_signals_that_come_while_one_is_handled_end_the_wait_too() -> None:
    """As the kernel sends them when a parent of many threads dies."""
    with subprocess.Popen([sys.executable, "-c", WAITS], stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None and process.stdout.readline() == b"waiting\n"
            until = time.monotonic() + 20
            while process.poll() is None and time.monotonic() < until:
                process.send_signal(signal.SIGTERM)
            assert process.returncode == 0
        finally:
            process.kill()


def test_the_wait_ends_without_a_signal_too() -> None:
    stop = StopSignal()
    threading.Timer(0.02, stop.end).start()

    stop.wait()

    assert signal.getsignal(signal.SIGTERM) == stop._ask


def test_a_parent_that_is_gone_already_ends_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[int] = []
    monkeypatch.setattr("node0.commands.server.stop_signal.die_with_parent", told.append)

    StopSignal(os.getppid())
    with pytest.raises(typer.Exit):
        StopSignal(os.getppid() + 1)

    assert told == [signal.SIGTERM, signal.SIGTERM]
