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


@contextmanager
def kept_signals() -> Iterator[None]:
    """Raise a Ctrl-C or SIGTERM that what runs inside swallowed, or made another error of.

    Libraries do that while they are imported: they go on without what was interrupted, and fail later.
    """
    heard: list[int] = []

    def keep(number: int, frame: FrameType | None) -> NoReturn:
        heard.append(number)
        raise _RAISED[number]

    is_main = threading.current_thread() is threading.main_thread()
    before = {number: signal.getsignal(number) for number in _RAISED if is_main}
    ours = {number: handler for number, handler in before.items() if handler in _HANDLERS}
    try:
        for number in ours:
            signal.signal(number, keep)
        yield
    except Exception:  # a library that swallowed the signal fails with anything
        if not heard:
            raise
    finally:
        for number, handler in ours.items():
            if signal.getsignal(number) is keep:
                signal.signal(number, handler)
    if heard:
        raise _RAISED[heard[0]]


def _raise(number: int, frame: FrameType | None) -> NoReturn:
    raise Terminated


_RAISED: dict[int, type[KeyboardInterrupt]] = {signal.SIGINT: KeyboardInterrupt, signal.SIGTERM: Terminated}
_HANDLERS = (signal.default_int_handler, _raise)
"Those that raise where the program is; whoever listens in another way is told as before."
