# SPDX-License-Identifier: Apache-2.0
"""`node0 serve` on loopback is sent what no client sends: it answers, never with 500, and lives on."""

import re
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from attack.mutations import as_json, mutated_bytes, mutated_tree
from attack.round import Chance, Fall, Outcome

BASE = Path(__file__).parents[1] / "examples" / "base"
START = [
    sys.executable,
    "-c",
    "import sys; from node0.cli import main; sys.exit(main())",
    "serve",
    "--port",
    "0",
]
READY_SECONDS, ANSWER_SECONDS = 120.0, 60.0
SILENCE = 3.0
"Seconds after which whoever sent half a request hangs up."

_CALL = {"id": "c", "type": "function", "function": {"name": "ls", "arguments": "{}"}}
_TOOL = {"type": "function", "function": {"name": "ls", "description": "d", "parameters": {"type": "object"}}}
BODIES: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {
        "model": "tiny", "max_tokens": 2, "temperature": 0.5, "stop": ["x"], "n": 1, "stream": False,
        "messages": [{"role": "system", "content": "s"},
                     {"role": "user", "content": [{"type": "text", "text": "u"}]},
                     {"role": "assistant", "content": None, "tool_calls": [_CALL]},
                     {"role": "tool", "tool_call_id": "c", "content": "r"}],
        "tools": [_TOOL],
        "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {}}},
    },
    "/v1/messages": {
        "model": "tiny", "max_tokens": 2, "system": "s", "stop_sequences": ["x"], "temperature": 1.0,
        "messages": [{"role": "user", "content": [{"type": "text", "text": "u"}]}],
        "tools": [{"name": "ls", "description": "d", "input_schema": {"type": "object"}}],
    },
    "/v1/completions": {"model": "tiny", "prompt": "p", "max_tokens": 2, "logprobs": 1, "seed": 1},
}  # fmt: skip


def served(chance: Chance) -> Outcome:
    """Send mutated bodies and mutated heads until the time is over."""
    outcome = Outcome()
    with subprocess.Popen([*START, "--model", f"tiny={BASE}"], stderr=subprocess.PIPE, text=True) as process:
        said: list[str] = []
        reader = threading.Thread(target=_read, args=(process, said))
        reader.start()
        try:
            if (port := _port(process, said)) is None:
                outcome.falls.append(Fall(f"it did not start: {' '.join(said)[-300:]}"))
            else:
                _attack(outcome, port, chance, until=time.monotonic() + chance.seconds)
        finally:
            process.send_signal(signal.SIGTERM)
            _require_end(outcome, process)
            reader.join()
    if any("Traceback" in line for line in said):
        outcome.falls.append(Fall("a traceback in its log"))
    return outcome


def _attack(outcome: Outcome, port: int, chance: Chance, *, until: float) -> None:
    bodies = [mutated_tree([body], as_json).map(partial(_request, path)) for path, body in BODIES.items()]
    heads = mutated_bytes([_request(path, as_json(body)) for path, body in BODIES.items()])
    number = chance.seed * 1000

    @settings(
        max_examples=100, deadline=None, database=None, phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(st.one_of(*bodies, heads))
    def attempt(data: bytes) -> None:
        if time.monotonic() < until and not outcome.falls:
            outcome.tried += 1
            status = _answered(port, data, seconds=SILENCE)
            outcome.refused += status is None or 400 <= status < 500
            if status is not None and status >= 500 and status not in (503, 529):
                outcome.falls.append(Fall(f"status {status}", data))

    while True:
        number += 1
        seed(number)(attempt)()
        if time.monotonic() >= until or outcome.falls:
            break
    if _answered(port, _request("/v1/completions", as_json(BODIES["/v1/completions"]))) != 200:
        outcome.falls.append(Fall("afterwards it does not answer"))


def _request(path: str, body: bytes) -> bytes:
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nConnection: close\r\n"
    )
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def _answered(port: int, data: bytes, *, seconds: float = ANSWER_SECONDS) -> int | None:
    """The status; None where there is none, as what is half a request deserves."""
    found = b""
    with socket.create_connection(("127.0.0.1", port), timeout=seconds) as connection, suppress(OSError):
        connection.sendall(data)
        while piece := connection.recv(1 << 16):
            found += piece
    match = re.match(rb"HTTP/1\.1 (\d{3})", found)
    return int(match[1]) if match else None


def _read(process: "subprocess.Popen[str]", said: list[str]) -> None:
    assert process.stderr is not None
    said.extend(iter(process.stderr.readline, ""))


def _port(process: "subprocess.Popen[str]", said: list[str]) -> int | None:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        found = re.search(r"http://127\.0\.0\.1:(\d+)", " ".join(said))
        if (
            found
            and _answered(
                int(found[1]), b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
            )
            == 200
        ):
            return int(found[1])
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
