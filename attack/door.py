# SPDX-License-Identifier: Apache-2.0
"""Send an HTTP server on loopback what no client sends: it answers, never with 500, and lives on."""

import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import urlsplit

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from attack.round import Chance, Fall, Outcome

NODE0 = (sys.executable, "-c", "import sys; from node0.cli import main; sys.exit(main())")
READY_SECONDS, ANSWER_SECONDS = 120.0, 60.0
SILENCE = 3.0
"Seconds after which whoever sent half a request hangs up."

AT_ONCE = 8
"Requests that are sent together: half a request waits until whoever sent it hangs up."

BUSY = (503, 529)
"Statuses from 500 on that say what is so: come back later."


class Address(NamedTuple):
    """Where a server listens."""

    port: int
    token: str
    "Of the address that it printed; empty where that has none."


@dataclass(frozen=True, slots=True)
class Door:
    """A server that is attacked."""

    command: Sequence[str]
    "Behind `node0`."

    requests: Callable[[Address], st.SearchStrategy[bytes]]
    good: Callable[[Address], bytes]
    "A request that is answered with 200, before and afterwards."

    forbidden: Callable[[Address], Iterable[bytes]] = lambda address: ()
    "Requests of somebody who may not ask."


def attacked(door: Door, chance: Chance) -> Outcome:
    """Start the server, send drawn requests until the time is over, and end it."""
    outcome, said = Outcome(), list[str]()
    with subprocess.Popen([*NODE0, *door.command], stderr=subprocess.PIPE, text=True) as process:
        reader = threading.Thread(target=_read, args=(process, said))
        reader.start()
        try:
            if (address := _address(process, said, door)) is None:
                outcome.falls.append(Fall(f"it did not start: {' '.join(said)[-300:]}"))
            else:
                _attack(outcome, door, address, chance)
        finally:
            process.send_signal(signal.SIGTERM)
            _require_end(outcome, process)
            reader.join()
    if any("Traceback" in line for line in said):
        outcome.falls.append(Fall("a traceback in its log", "".join(said).encode()[-4000:]))
    return outcome


def request(method: str, path: str, body: bytes = b"", *headers: str) -> bytes:
    """A whole request, after which the connection ends."""
    lines = (f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", *headers, "Connection: close")
    length = f"Content-Length: {len(body)}\r\n" if body else ""
    return "".join(f"{line}\r\n" for line in lines).encode() + f"{length}\r\n".encode() + body


def _attack(outcome: Outcome, door: Door, address: Address, chance: Chance) -> None:
    until = time.monotonic() + chance.seconds
    number = chance.seed * 1000

    @settings(
        max_examples=10, deadline=None, database=None, phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(st.lists(door.requests(address), min_size=AT_ONCE, max_size=AT_ONCE))
    def attempt(sent: list[bytes]) -> None:
        if time.monotonic() < until and not outcome.falls:
            told = senders.map(lambda data: _answered(address.port, data, seconds=SILENCE), sent)
            for data, status in zip(sent, told, strict=True):
                _judge(outcome, data, status)

    with ThreadPoolExecutor(AT_ONCE) as senders:
        while time.monotonic() < until and not outcome.falls:
            number += 1
            seed(number)(attempt)()
    for data in door.forbidden(address):
        outcome.tried += 1
        if (status := _answered(address.port, data)) not in (400, 401, 403, 404, 405):
            outcome.falls.append(Fall(f"status {status} for one who may not ask", data))
    if _answered(address.port, door.good(address)) != 200:
        outcome.falls.append(Fall("afterwards it does not answer"))


def _judge(outcome: Outcome, data: bytes, status: int | None) -> None:
    outcome.tried += 1
    outcome.refused += status is None or 400 <= status < 500
    if status is not None and status >= 500 and status not in BUSY:
        outcome.falls.append(Fall(f"status {status}", data))


def _answered(port: int, data: bytes, *, seconds: float = ANSWER_SECONDS) -> int | None:
    """The status; None where there is none, as what is half a request deserves."""
    found = b""
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=seconds) as connection:
        connection.sendall(data)
        # What stays of it after half a request, or of an answer that comes in many parts, is not waited for.
        while len(found) < 12 and (piece := connection.recv(1 << 16)):
            found += piece
    match = re.match(rb"HTTP/1\.1 (\d{3})", found)
    return int(match[1]) if match else None


def _read(process: "subprocess.Popen[str]", said: list[str]) -> None:
    assert process.stderr is not None
    said.extend(iter(process.stderr.readline, ""))


def _address(process: "subprocess.Popen[str]", said: list[str], door: Door) -> Address | None:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        if found := re.search(r"http://127\.0\.0\.1:\d+[^\s;]*", " ".join(said)):
            url = urlsplit(found[0])
            address = Address(url.port or 0, url.query.partition("token=")[2])
            if _answered(address.port, door.good(address)) == 200:
                return address
        time.sleep(0.2)
    return None


def _require_end(outcome: Outcome, process: "subprocess.Popen[str]") -> None:
    try:
        code = process.wait(ANSWER_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        code = process.wait()
    if code != 0:
        outcome.falls.append(Fall(f"it ended with {code}"))
