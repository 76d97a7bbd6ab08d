# SPDX-License-Identifier: Apache-2.0
"""The loop of the helper process: read a request, work on it under bounds, answer.

A request is `{"work": "module:function", "given": ...}`, an answer `{"result": ...}`, `{"refused": text}`,
or `{"over": true}` where the memory did not suffice. Each is JSON in UTF-8 behind its length in 8 bytes,
little-endian. The request comes from our own process; what is bounded is somebody else's text in it.
"""

import importlib
import json
import resource
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

Work = Callable[[Any], Any]
"From a JSON value to a JSON value."

SECONDS = 0.5
"Of computing, for a request of no size."

SECONDS_PER_MB = 0.5
"A megabyte of a conversation is rendered in a tenth of it."

MEMORY = 400 << 20
"Bytes of address space, for a request of no size."

MEMORY_PER_BYTE = 16
"Text of four bytes a sign, read, rendered, and written."

LENGTH = 8


class Refused(Exception):
    """The work says no to what it was given; the text is for whoever asked."""


def serve() -> None:
    """Answer until the other end of the pipe is closed; the bound of time ends this process."""
    requests, answers = sys.stdin.buffer, sys.stdout.buffer
    while (size := int.from_bytes(requests.read(LENGTH), "little")) > 0:
        request = json.loads(requests.read(size))
        work = _function(request["work"])
        try:
            with _bounds(size):
                answer = _answer(work, request["given"])
        except MemoryError:
            answer = b'{"over": true}'
        answers.write(len(answer).to_bytes(LENGTH, "little") + answer)
        answers.flush()


def _function(name: str) -> Work:
    module, _, function = name.partition(":")
    found: Work = getattr(importlib.import_module(module), function)
    return found


def _answer(work: Work, given: Any) -> bytes:
    try:
        told = {"result": work(given)}
    except Refused as error:
        told = {"refused": str(error)}
    return json.dumps(told).encode()


@contextmanager
def _bounds(size: int) -> Iterator[None]:
    """Bounds in relation to the size of what is asked; the kernel ends this process at that of time."""
    room = MEMORY + MEMORY_PER_BYTE * size
    _, most = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(
        resource.RLIMIT_AS, (room if most == resource.RLIM_INFINITY else min(room, most), most)
    )
    signal.setitimer(signal.ITIMER_PROF, SECONDS + SECONDS_PER_MB * size / 1e6)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0.0)
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
