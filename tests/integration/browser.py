# SPDX-License-Identifier: Apache-2.0
"""Chromium without a window, driven by the DevTools protocol over pipes: JSON texts that end in a zero byte.

https://chromedevtools.github.io/devtools-protocol/; with `--remote-debugging-pipe` the browser reads file
descriptor 3 and writes 4.
"""

import base64
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from node0.usage.scratch import scratch_directory

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
WHY_NOT = "no chromium, chromium-browser or google-chrome on PATH"
SECONDS = 120
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run")


class Tab:
    """One page: what it is told to do, and what its scripts and its console complained of."""

    def __init__(self, reading: int, writing: int) -> None:
        self._read, self._write, self._buffer, self._number = reading, writing, b"", 0
        self._session = ""
        self.problems: list[str] = []
        self._loaded = 0
        target = self._send("Target.createTarget", {"url": "about:blank"})["targetId"]
        attached = self._send("Target.attachToTarget", {"targetId": target, "flatten": True})
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self._send(f"{domain}.enable")

    def open(self, url: str, *, width: int = 1400, dark: bool = False) -> None:
        """Load a page in a window of this width, and wait until it and its scripts are there."""
        metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        self._send("Emulation.setDeviceMetricsOverride", metrics)
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self._send("Emulation.setEmulatedMedia", {"features": scheme})
        before = self._loaded
        self._send("Page.navigate", {"url": url})
        deadline = time.monotonic() + SECONDS
        while self._loaded == before:
            assert time.monotonic() < deadline, f"{url} does not load"
            self._hear()

    def value(self, expression: str) -> Any:
        """What a script's expression is in the page."""
        done = self._send("Runtime.evaluate", {"expression": expression, "returnByValue": True})
        assert "exceptionDetails" not in done, done
        return done["result"].get("value")

    def until(self, expression: str) -> None:
        """Wait until an expression is true in the page."""
        deadline = time.monotonic() + SECONDS
        while not self.value(expression):
            assert time.monotonic() < deadline, f"{expression} does not come true: {self.problems}"
            time.sleep(0.05)

    def press(self, key: str) -> None:
        """Type a letter."""
        for kind in ("keyDown", "keyUp"):
            text = {"text": key} if kind == "keyDown" else {}
            self._send("Input.dispatchKeyEvent", {"type": kind, "key": key, **text})

    def picture(self, path: Path) -> None:
        """Write what the window shows as a PNG file."""
        path.write_bytes(base64.b64decode(self._send("Page.captureScreenshot", {"format": "png"})["data"]))

    def _send(self, method: str, params: dict[str, Any] | None = None) -> dict[str, Any]:
        self._number += 1
        session = {"sessionId": self._session} if self._session else {}
        message = {"id": self._number, "method": method, "params": params or {}, **session}
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while True:
            heard = self._hear()
            if heard.get("id") == self._number:
                assert "error" not in heard, heard
                result: dict[str, Any] = heard["result"]
                return result

    def _hear(self) -> dict[str, Any]:
        """The next message; what it complains of is kept."""
        while b"\0" not in self._buffer:
            chunk = os.read(self._read, 1 << 20)
            assert chunk, "the browser has ended"
            self._buffer += chunk
        text, _, self._buffer = self._buffer.partition(b"\0")
        heard: dict[str, Any] = json.loads(text)
        params = heard.get("params", {})
        if heard.get("method") == "Runtime.exceptionThrown":
            self.problems.append(str(params["exceptionDetails"].get("exception", {}).get("description")))
        elif heard.get("method") == "Log.entryAdded" and params["entry"]["level"] in ("error", "warning"):
            self.problems.append(f"{params['entry']['text']} {params['entry'].get('url', '')}")
        elif heard.get("method") == "Runtime.consoleAPICalled" and params["type"] in ("error", "warning"):
            self.problems.append(str(params["args"]))
        elif heard.get("method") == "Page.loadEventFired":
            self._loaded += 1
        return heard


@contextmanager
def environment() -> Iterator[dict[str, str]]:
    """Variables under which what a browser leaves in the temporary directory is gone with the block.

    Its sockets are there, so that the path must be short.
    """
    with scratch_directory("n0-browser-") as temporary:
        yield {**os.environ, "TMPDIR": str(temporary)}


@contextmanager
def browsing(profile: Path, flags: Sequence[str] = FLAGS) -> Iterator[Tab]:
    """A browser with a profile of its own; it is ended at the end."""
    to_read, to_browser = os.pipe()
    from_browser, to_write = os.pipe()

    def give_pipes() -> None:
        # Through high numbers: one of the two may be 3 or 4 itself.
        ours = [os.dup2(to_read, 103), os.dup2(to_write, 104)]
        for number, fd in zip((3, 4), ours, strict=True):
            os.dup2(fd, number)

    with environment() as variables:
        process = subprocess.Popen(
            [str(BROWSER), *flags, "--remote-debugging-pipe", f"--user-data-dir={profile}"],
            env=variables,
            preexec_fn=give_pipes,
            close_fds=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(to_read)
        os.close(to_write)
        try:
            yield Tab(from_browser, to_browser)
        finally:
            os.close(to_browser)
            os.close(from_browser)
            process.terminate()
            process.wait(60)
