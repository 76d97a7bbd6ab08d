# SPDX-License-Identifier: Apache-2.0
"""A helper process that works on somebody else's text under bounds of time and memory.

A template or a pattern may ask for any amount of both in a single operation, which nothing stops from
within. The helper is started when it is first asked, stays, and ends with this process.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import weakref
from functools import cache
from pathlib import Path
from typing import Any

from node0.bounded.helper_loop import LENGTH, Refused

ROOT = Path(__file__).parents[2]
_START = "import sys; sys.path.insert(0, sys.argv[1]); from node0.bounded.helper_loop import serve; serve()"
_TOO_LARGE = "takes more memory than it may have"
_TRIES = 2
"A helper that the system ended between two requests is started again once."


class OverBounds(Exception):
    """The work took more than it may have; the text is a part of a sentence."""


class Helper:
    """Answers one request after the other; one that was ended is started again for the next."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._owner = 0
        self._turn = threading.Lock()
        self._end: weakref.finalize[..., Any] | None = None

    def ask(self, work: str, given: Any) -> Any:
        """What a function, `module:function`, of the helper makes of a JSON value: a JSON value.

        Raises:
            OverBounds: it took more time or memory than the loop allows a request of this size.
            Refused: the function said no.
        """
        request = json.dumps({"work": work, "given": given}).encode()
        with self._turn:
            answer = self._exchange(request)
        if "over" in answer:
            raise OverBounds(_TOO_LARGE)
        if "refused" in answer:
            raise Refused(answer["refused"])
        return answer["result"]

    def close(self) -> None:
        """End the helper; another request starts a new one."""
        with self._turn:
            self._forget()

    def _exchange(self, request: bytes) -> dict[str, Any]:
        for _ in range(_TRIES):
            process = self._running()
            try:
                return _asked(process, request)
            except BrokenPipeError:
                self._forget()
            except EOFError:
                code = process.wait()
                self._forget()
                raise _end_of(code) from None
        raise OverBounds("ends before it is asked")

    def _running(self) -> "subprocess.Popen[bytes]":
        # A forked process has the pipes of its parent's helper, and must not write into them.
        if self._process is None or self._owner != os.getpid():
            if self._end is not None:
                self._end.detach()
            self._owner = os.getpid()
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-c", _START, str(ROOT)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                start_new_session=True,  # a Ctrl-C is this process's affair
            )
            self._end = weakref.finalize(self, _ended, self._process)
        return self._process

    def _forget(self) -> None:
        if self._end is not None:
            self._end()
        self._process = self._end = None


@cache
def shared_helper() -> Helper:
    """The helper of this process: one serves all templates and patterns."""
    return Helper()


def _asked(process: "subprocess.Popen[bytes]", request: bytes) -> dict[str, Any]:
    pipe, answers = process.stdin, process.stdout
    assert pipe is not None and answers is not None  # it was started with both
    pipe.write(len(request).to_bytes(LENGTH, "little") + request)
    pipe.flush()
    size = int.from_bytes(answers.read(LENGTH), "little")
    data = answers.read(size)
    if not data or len(data) < size:
        raise EOFError
    answer: dict[str, Any] = json.loads(data)
    return answer


def _end_of(code: int) -> Exception:
    if code == -signal.SIGPROF:
        return OverBounds("takes too long")
    # The system may end it before it can say so itself.
    if code in (-signal.SIGKILL, -signal.SIGSEGV):
        return OverBounds(_TOO_LARGE)
    return RuntimeError(f"the helper process ended with {code}")


def _ended(process: "subprocess.Popen[bytes]") -> None:
    """It ends when its pipe is closed; one that computes has not read that yet."""
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            try:
                pipe.close()
            except BrokenPipeError:
                continue
