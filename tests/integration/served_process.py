# SPDX-License-Identifier: Apache-2.0
"""`node0 serve` as a process on loopback, and the two clients that it is made for."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import anthropic
import httpx
import openai

COMMAND = [sys.executable, "-c", "import sys; from node0.cli import main; sys.exit(main())", "serve"]
KEY = "not-used-on-loopback"
START_SECONDS = 240
"For imports on a loaded machine; of a server that ends instead it is known at once."


@dataclass
class Served:
    """A running server."""

    process: subprocess.Popen[str]
    url: str = ""
    said: list[str] = field(default_factory=list)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Its exit code after a signal."""
        self.process.send_signal(number)
        return self.process.wait(60)


@contextmanager
def serving(*arguments: str | Path, command: Sequence[str] = COMMAND) -> Iterator[Served]:
    """A server with these flags, ready; it is ended at the end."""
    process = subprocess.Popen(
        [*command, "--port", "0", *map(str, arguments)],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"},
    )
    served = Served(process)
    listening = threading.Event()
    reader = threading.Thread(target=_read, args=(served, listening))
    reader.start()
    try:
        assert listening.wait(START_SECONDS), served.said
        assert served.url, served.said
        _until_ready(served)
        yield served
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        reader.join()


def _read(served: Served, listening: threading.Event) -> None:
    stream = served.process.stderr
    assert stream is not None
    with stream:
        for line in stream:
            served.said.append(line.rstrip())
            if line.startswith("listening on "):
                served.url = line.split()[2].rstrip(";")
                listening.set()
    listening.set()


def _until_ready(served: Served) -> None:
    deadline = time.monotonic() + START_SECONDS
    while httpx.get(f"{served.url}/ready", trust_env=False).status_code != 200:
        assert time.monotonic() < deadline and served.process.poll() is None, served.said
        time.sleep(0.05)


def openai_client(served: Served, *, key: str = KEY, retries: int = 0) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{served.url}/v1", api_key=key, max_retries=retries)


def anthropic_client(served: Served, *, key: str = KEY, retries: int = 0) -> anthropic.Anthropic:
    return anthropic.Anthropic(base_url=served.url, api_key=key, max_retries=retries)


def computed_ids(url: str) -> int:
    """Ids that passed the layers since the server's bases were loaded."""
    text = httpx.get(f"{url}/metrics", trust_env=False).text
    found = re.findall(r"^node0_serve_computed_ids_total\{.*\} ([0-9.e+]+)$", text, re.MULTILINE)
    return sum(int(float(value)) for value in found)
