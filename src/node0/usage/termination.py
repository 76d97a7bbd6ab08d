# SPDX-License-Identifier: Apache-2.0
"""SIGTERM ends a command in order, as Ctrl-C does, so that what it made for the while is removed."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn


class Terminated(KeyboardInterrupt):
    """SIGTERM came to a command that does not listen for it by itself."""


@contextmanager
def heard_sigterm() -> Iterator[None]:
    """Raise `Terminated` where SIGTERM would end the process; whoever has a handler already keeps it."""
    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, _raise)
    try:
        yield
    finally:
        if signal.getsignal(signal.SIGTERM) is _raise:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _raise(number: int, frame: FrameType | None) -> NoReturn:
    raise Terminated
