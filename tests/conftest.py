# SPDX-License-Identifier: Apache-2.0
"""Fixtures for all tests, and what no test may do: reach a network, touch the home, leave a process."""

import contextlib
import os
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from node0.models.llama.arguments import LlamaArguments
from node0.usage.scratch import scratch_directory

# Both of these measure the machine's load, not the code.
settings.register_profile("node0", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("node0")

WITH_REAL_PARTS = [Path(__file__).parent / name for name in ("integration", "gastown")]
LOOPBACK = ("127.", "::1", "localhost", "0.0.0.0")


def pytest_configure(config: pytest.Config) -> None:
    """Give this run, and the processes that it starts, a home of its own and a Ctrl-C that is heard."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # a shell's background job
        signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # or what fixtures made would stay
    scratch = contextlib.ExitStack()
    home = scratch.enter_context(scratch_directory("node0-home-")) / "home"
    home.mkdir()
    config.add_cleanup(scratch.close)
    # OMP_NUM_THREADS, which is not of omp, stays: with other threads sums are rounded otherwise.
    foreign = ("GT_", "HF_", "XDG_", "CLAUDE_", "CODEX_", "GEMINI_", "PI_CODING_", "OMP_CODING_")
    for name in [name for name in os.environ if name.startswith(foreign)]:
        del os.environ[name]
    os.environ["HOME"] = str(home)
    # Where these are set pytest writes how two values differ line by line: of two weight files for hours.
    for name in ("CI", "BUILD_NUMBER"):
        os.environ.pop(name, None)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Collect tests with real parts only when they are asked for, by `-m integration` or by their path."""
    if collection_path not in WITH_REAL_PARTS or "integration" in config.option.markexpr:
        return None
    return None if any(collection_path.name in word for word in config.args) else True


@pytest.fixture
def minimal_llama_args() -> LlamaArguments:
    """The smallest model that has every part."""
    return LlamaArguments(hidden_dim=64, n_heads=2, num_hidden_layers=2, n_kv_heads=2)


@pytest.fixture
def town_root(tmp_path: Path) -> Path:
    """A directory that `Town.locate` accepts."""
    root = tmp_path / "gt"
    (root / "mayor").mkdir(parents=True)
    (root / "mayor" / "town.json").write_text('{"type": "town", "version": 2, "name": "gt"}\n')
    (root / "settings").mkdir()
    (root / "settings" / "config.json").write_text('{"type": "town-settings", "version": 1}\n')
    return root


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuse every address outside this machine."""
    connect, resolve = socket.socket.connect, socket.getaddrinfo

    def connect_here(self: socket.socket, address: object) -> None:
        if isinstance(address, tuple) and not str(address[0]).startswith(LOOPBACK):
            raise OSError(f"tests have no network: {address[0]}")
        connect(self, address)  # type: ignore[arg-type]  # typeshed's address is a private name

    def resolve_here(host: object, *rest: object, **more: object) -> object:
        if host is not None and not str(host).startswith(LOOPBACK):
            raise socket.gaierror(f"tests have no network: {host!r}")
        return resolve(host, *rest, **more)  # type: ignore[arg-type]  # passed through as it came

    monkeypatch.setattr(socket.socket, "connect", connect_here)
    monkeypatch.setattr(socket, "getaddrinfo", resolve_here)


@pytest.fixture(autouse=True)
def no_process_is_left() -> Iterator[None]:
    """Fail a test that ends before the processes that it started."""
    before = _children()
    yield
    deadline = time.monotonic() + 2
    while (left := _children() - before) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not left, f"the test left processes behind: {sorted(map(_command, left))}"


def _children() -> set[int]:
    """Living children of this process; empty where there is no /proc."""
    lists = Path("/proc/self/task").glob("*/children")
    return {int(word) for file in lists for word in _read(file).split() if _command(int(word))}


def _read(path: Path) -> str:
    """A file of a thread or a process; empty when it has ended since."""
    try:
        return path.read_bytes().decode(errors="replace")
    except OSError:
        return ""


def _command(pid: int) -> str:
    """Command line of a process; empty for one that has ended, or that serves all tests to the end."""
    line = _read(Path(f"/proc/{pid}/cmdline")).replace("\0", " ")
    return "" if any(name in line for name in ("multiprocessing.resource_tracker", "helper_loop")) else line
