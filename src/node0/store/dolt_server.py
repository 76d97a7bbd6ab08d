# SPDX-License-Identifier: Apache-2.0
"""A Dolt server of our own: on loopback, with a user and a data directory of its own.

Never the town's: gt adopts every database that it finds on that server as a rig.
"""

import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import yaml
from sqlalchemy.engine import URL

from node0.documents.json_document import value_of
from node0.errors import ConfigError, NotFound, StoreUnavailable
from node0.files import locked, private_directory, whole_file, write_atomically
from node0.store.dolt_store import DRIVER, answers

HOST, USER, DATABASE = "127.0.0.1", "node0", "node0"
DETACH = '"$0" sql-server --config "$1" >>"$2" 2>&1 & echo $!'
READY_SECONDS, STOP_SECONDS, OFFLINE_SECONDS = 60.0, 20.0, 120.0
PORTS_TRIED = 3
"Where another program takes the port that was free a moment before."


@dataclass(frozen=True, slots=True)
class Running:
    """How to reach a server that was started; what `server.json` holds."""

    pid: int
    port: int
    user: str
    password: str

    @property
    def url(self) -> URL:
        """For `open_store`."""
        return URL.create(DRIVER, self.user, self.password, HOST, self.port, DATABASE)


@dataclass(frozen=True, slots=True)
class OwnDolt:
    """The server whose files lie in one directory."""

    directory: Path

    def start(self, *, binary: str = "dolt", port: int | None = None) -> Running:
        """The server that runs, started if it did not.

        Args:
            binary: the program, by name on PATH or by path.
            port: where to listen; None takes the last one used, or one that is free.

        Raises:
            NotFound: there is no such program.
            ConfigError: it does not start; the message has the end of its log.
        """
        program = shutil.which(binary)
        if program is None:
            raise NotFound(f"no program {binary!r} on PATH: install Dolt, or name it with --dolt")
        private_directory(self.directory)
        with locked(self.directory / ".lock"):
            if (running := self.running()) is not None:
                return running
            return self._launch(program, port)

    def running(self) -> Running | None:
        """The server, if it runs and answers as ours."""
        known = self._known()
        if known is None or not _lets_in(known, while_=lambda: self._is_its_process(known.pid)):
            return None
        return known

    def require(self) -> Running:
        """As `running`.

        Raises:
            StoreUnavailable: it does not run.
        """
        if (running := self.running()) is None:
            raise StoreUnavailable(
                f"the Dolt server in {self.directory} does not run: start it with `node0 store dolt start`"
            )
        return running

    def stop(self) -> bool:
        """End it and wait until it has ended; whether there was one.

        Raises:
            StoreUnavailable: it goes on after SIGTERM.
        """
        private_directory(self.directory)
        with locked(self.directory / ".lock"):
            known = self._known()
            if known is None or not (self._is_its_process(known.pid) or answers(known.url)):
                return False
            os.kill(known.pid, signal.SIGTERM)
            if not _until(lambda: not _is_alive(known.pid), STOP_SECONDS):
                raise StoreUnavailable(f"Dolt, process {known.pid}, did not end within {STOP_SECONDS:g} s")
            return True

    def _launch(self, program: str, port: int | None) -> Running:
        for _ in range(PORTS_TRIED):
            running = self._begin(program, port)
            if _lets_in(running, while_=partial(_is_alive, running.pid)):
                return running
            if _is_alive(running.pid):
                os.kill(running.pid, signal.SIGKILL)
            if port is not None or _is_free(running.port):
                break
        raise ConfigError(f"Dolt did not start on port {running.port}: {self._last_words()}")

    def _begin(self, program: str, port: int | None) -> Running:
        known = self._known()
        password = known.password if known is not None else secrets.token_urlsafe(24)
        wanted = port or (known.port if known is not None and _is_free(known.port) else _free_port())
        if not (self.directory / "privileges.db").exists():
            self._make_user(program, password)
        self._write_config(wanted)
        pid = self._detached(program)
        running = Running(pid, wanted, USER, password)
        self._remember(running)
        return running

    def _is_its_process(self, pid: int) -> bool:
        """Whether a process was started with this directory's configuration; False where no /proc tells."""
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except OSError:
            return False
        return str(self.directory / "config.yaml").encode() in words

    def _detached(self, program: str) -> int:
        """Start the server as nobody's child, so that it outlives whoever starts it; its process id."""
        paths = [str(self.directory / name) for name in ("config.yaml", "server.log")]
        done = subprocess.run(
            ["/bin/sh", "-c", DETACH, program, *paths],
            cwd=self.directory / "data",
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            start_new_session=True,
            timeout=OFFLINE_SECONDS,
            check=True,
        )
        return int(done.stdout)

    def _make_user(self, program: str, password: str) -> None:
        """The only user that may log in; made before the server listens."""
        for name in ("data", "home"):
            private_directory(self.directory / name)
        account = f"'{USER}'@'{HOST}'"
        sql = f"CREATE USER {account} IDENTIFIED BY '{password}'; GRANT ALL ON *.* TO {account};"
        command = [program, "--data-dir", "data", "--privilege-file", "privileges.db", "sql"]
        done = subprocess.run(
            command,
            input=sql.encode(),
            cwd=self.directory,
            env=self._environment(),
            capture_output=True,
            timeout=OFFLINE_SECONDS,
            check=False,
        )
        if done.returncode != 0:
            (self.directory / "privileges.db").unlink(missing_ok=True)
            said = " ".join(done.stderr.decode(errors="replace").replace(password, "***").split())
            raise ConfigError(f"Dolt cannot make its user in {self.directory}: {said[-300:]}")

    def _write_config(self, port: int) -> None:
        config = {
            "log_level": "warning",
            "data_dir": str(self.directory / "data"),
            "privilege_file": str(self.directory / "privileges.db"),
            "listener": {"host": HOST, "port": port},
        }
        write_atomically(self.directory / "config.yaml", yaml.safe_dump(config, sort_keys=False))

    def _environment(self) -> dict[str, str]:
        """Nothing of the user's: Dolt keeps settings, and a name for commits, in the home directory."""
        return {"HOME": str(self.directory / "home"), "DOLT_DISABLE_EVENT_FLUSH": "true"}

    def _remember(self, running: Running) -> None:
        with whole_file(self.directory / "server.json", mode=0o600) as file:
            json.dump(asdict(running), file)

    def _known(self) -> Running | None:
        try:
            found = value_of((self.directory / "server.json").read_text(encoding="utf-8"))
            return Running(**found) if isinstance(found, dict) else None
        except (OSError, ValueError, TypeError):
            return None

    def _last_words(self) -> str:
        text = (self.directory / "server.log").read_text(encoding="utf-8", errors="replace")
        return " ".join(text.split())[-300:] or "it said nothing"


def _lets_in(server: Running, *, while_: Callable[[], bool]) -> bool:
    """Whether a server answers; one that a busy machine keeps from it is asked again while this holds."""
    deadline = time.monotonic() + READY_SECONDS
    while not answers(server.url):
        if not while_() or time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def _until(is_done: Callable[[], bool], seconds: float) -> bool:
    """Whether it came true in time."""
    deadline = time.monotonic() + seconds
    while not is_done():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def _is_alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and that nobody has waited for does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{pid}/stat")
    return not status.exists() or status.read_text().rpartition(")")[2].split()[0] != "Z"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True
