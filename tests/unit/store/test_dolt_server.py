# SPDX-License-Identifier: Apache-2.0
import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pytest

from node0.errors import ConfigError, NotFound, StoreUnavailable
from node0.store import dolt_server
from node0.store.dolt_server import OwnDolt, Running

FAILS = "#!/bin/sh\nif [ \"$1\" = sql-server ]; then echo 'disk on fire'; exit 1; fi\n"


def _program(tmp_path: Path, text: str) -> str:
    program = tmp_path / "dolt-program"
    program.write_text(text)
    program.chmod(0o755)
    return str(program)


def test_a_program_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="'no-such-dolt' on PATH"):
        OwnDolt(tmp_path / "d").start(binary="no-such-dolt")


def test_a_server_that_ends_at_once_is_reported_with_its_last_words(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"did not start on port .*disk on fire"):
        OwnDolt(tmp_path / "d").start(binary=_program(tmp_path, FAILS))


def test_a_user_that_cannot_be_made_is_reported_without_its_password(tmp_path: Path) -> None:
    program = _program(tmp_path, "#!/bin/sh\ncat >&2\nexit 1\n")

    with pytest.raises(ConfigError, match="cannot make its user") as caught:
        OwnDolt(tmp_path / "d").start(binary=program)
    assert r"IDENTIFIED BY '***'" in str(caught.value)


def test_no_server_runs_where_none_was_started(tmp_path: Path) -> None:
    server = OwnDolt(tmp_path / "d")

    assert (server.running(), server.stop()) == (None, False)
    with pytest.raises(StoreUnavailable, match="node0 store dolt start"):
        server.require()


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"pid": 1}', "\x00"])
def test_a_damaged_record_is_as_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "server.json").write_text(text)

    assert OwnDolt(tmp_path).running() is None


def test_another_program_on_its_port_is_not_taken_for_the_server(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        record = Running(1, other.getsockname()[1], "node0", "x")
        (tmp_path / "server.json").write_text(
            f'{{"pid": 1, "port": {record.port}, "user": "node0", "password": "x"}}'
        )
        other.settimeout(0)

        assert OwnDolt(tmp_path).stop() is False


@pytest.fixture
def busy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator["subprocess.Popen[bytes]"]:
    """A server of this directory that is asked twice before it answers."""
    command = [sys.executable, "-c", "import time; time.sleep(60)", "--config", str(tmp_path / "config.yaml")]
    with subprocess.Popen(command) as process:
        # Between the start of a program and its first instruction its command line is empty for a moment.
        while not Path(f"/proc/{process.pid}/cmdline").read_bytes():
            time.sleep(0.01)
        (tmp_path / "server.json").write_text(json.dumps(asdict(Running(process.pid, 9, "node0", "x"))))
        replies = iter([False, False])
        monkeypatch.setattr(dolt_server, "answers", lambda url: next(replies, True))
        yield process
        process.kill()


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="whose a process is is read from /proc")
def test_a_server_that_a_busy_machine_keeps_waiting_is_found_and_not_started_again(
    tmp_path: Path, busy: "subprocess.Popen[bytes]"
) -> None:
    assert OwnDolt(tmp_path).start(binary=_program(tmp_path, FAILS)).pid == busy.pid


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="whose a process is is read from /proc")
def test_a_server_that_does_not_answer_is_ended_too(tmp_path: Path, busy: "subprocess.Popen[bytes]") -> None:
    assert OwnDolt(tmp_path).stop() is True
    assert busy.wait(60) != 0


def test_a_port_that_another_program_takes_meanwhile_is_left_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = dolt_server._free_port()
    with socket.create_server(("127.0.0.1", 0)) as other:
        ports = iter([other.getsockname()[1], free])
        monkeypatch.setattr(dolt_server, "_free_port", lambda: next(ports))

        with pytest.raises(ConfigError, match=f"did not start on port {free}: "):
            OwnDolt(tmp_path / "d").start(binary=_program(tmp_path, FAILS))


def test_the_password_is_not_in_the_url_that_is_shown() -> None:
    assert "secret" not in str(Running(1, 2, "node0", "secret").url)
