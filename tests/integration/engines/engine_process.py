# SPDX-License-Identifier: Apache-2.0
"""Other engines from `.engines`, started on loopback by the line that a person would type."""

import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx

ENGINES = Path(__file__).parents[3] / ".engines"
START_SECONDS = 600
END_SECONDS = 30


def programs(engine: str) -> Path:
    """Where an engine's programs lie."""
    return ENGINES / engine / "bin"


@contextmanager
def running(
    line: str, engine: str, log: Path, *, environment: Mapping[str, str] | None = None
) -> Iterator[str]:
    """The URL of an engine that a line starts; on a free port, whichever the line names."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    line, changed = re.subn(r"--port \d+", f"--port {port}", line)
    assert changed == 1, line
    path = f"{programs(engine)}{os.pathsep}{os.environ['PATH']}"
    with log.open("wb") as output:
        process = subprocess.Popen(
            ["sh", "-c", line],
            stdout=output,
            stderr=output,
            env={**os.environ, "PATH": path, **(environment or {})},
            start_new_session=True,
        )
    url = f"http://127.0.0.1:{port}"
    try:
        _until_healthy(url, process, log)
        yield url
    finally:
        _end(process)


def _until_healthy(url: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        assert process.poll() is None and time.monotonic() < deadline, log.read_text(errors="replace")[-3000:]
        try:
            if httpx.get(f"{url}/health", trust_env=False).status_code == 200:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.2)


def _end(process: "subprocess.Popen[bytes]") -> None:
    """End it and all that it started: they are a session of their own."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
            process.wait(END_SECONDS)
        except (ProcessLookupError, subprocess.TimeoutExpired):
            continue
