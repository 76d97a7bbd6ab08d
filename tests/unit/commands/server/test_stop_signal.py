# SPDX-License-Identifier: Apache-2.0
import os
import signal
import threading
from collections.abc import Iterator

import pytest
import typer

from node0.commands.server.stop_signal import StopSignal


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
