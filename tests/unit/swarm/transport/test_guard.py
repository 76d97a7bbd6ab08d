# SPDX-License-Identifier: Apache-2.0
import fcntl
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from node0.swarm.transport import guard

PARENT = """
import os, subprocess, sys
guard, sockets, *daemon = sys.argv[1:]
child = subprocess.Popen([sys.executable, "-I", "-S", guard, sockets, str(os.getpid()), *daemon])
print("started", flush=True)
child.wait()
"""
WRITES_ITS_NUMBER = """
import os, pathlib, sys, time
pathlib.Path(sys.argv[1]).write_text(str(os.getpid()))
time.sleep(60)
"""
SIGNALLED_IN_A_LOCK = """
import os, runpy, signal, subprocess, sys

class Lock:
    "A signal comes whenever somebody has just taken it."
    def __init__(self, inner):
        self.release = inner.release
        self.inner = inner
    def acquire(self, *how):
        taken = self.inner.acquire(*how)
        os.kill(os.getpid(), signal.SIGTERM)
        return taken
    __enter__, __exit__ = acquire, lambda self, *_: self.release()

class Popen(subprocess.Popen):
    def __init__(self, *args, **how):
        super().__init__(*args, **how)
        self._waitpid_lock = Lock(self._waitpid_lock)

subprocess.Popen = Popen
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""
DAEMON = [sys.executable, "-c", WRITES_ITS_NUMBER]


def _claimed(directory: Path, owner: int) -> Path:
    directory.mkdir(parents=True)
    (directory / guard.LOCK_NAME).write_text(f"{owner}\n")
    (directory / "a.sock").touch()
    return directory


def _until(what: object) -> bool:
    for _ in range(200):
        if what():  # type: ignore[operator]  # a callable
            return True
        time.sleep(0.05)
    return False


def _is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def test_daemon_and_sockets_go_with_a_parent_that_was_killed(tmp_path: Path) -> None:
    sockets, told = _claimed(tmp_path / guard.PARENT_NAME / "x", 1), tmp_path / "pid"
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, guard.__file__, str(sockets), *DAEMON, str(told)],
        stdout=subprocess.PIPE,
    )
    assert parent.stdout is not None and parent.stdout.readline() == b"started\n"
    (sockets / guard.LOCK_NAME).write_text(f"{parent.pid}\n")
    assert _until(lambda: told.exists() and told.read_text())

    parent.kill()
    parent.wait()
    parent.stdout.close()

    assert _until(lambda: _is_gone(int(told.read_text()))), "the daemon goes on"
    # The directory above held nothing else.
    assert _until(lambda: not sockets.parent.exists())


def test_sockets_of_a_living_owner_stay(tmp_path: Path) -> None:
    sockets = _claimed(tmp_path / "x", os.getpid())
    with (sockets / guard.LOCK_NAME).open("r+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = subprocess.run(
            [sys.executable, "-I", "-S", guard.__file__, str(sockets), str(os.getpid()), "true"],
            timeout=30,
            check=False,
        )

    assert done.returncode == 0
    assert (sockets / "a.sock").exists()


def test_a_daemon_that_ends_just_before_its_parent_leaves_no_sockets(tmp_path: Path) -> None:
    """The kernel closes the parent's connections before it lets the lock go and tells the guard."""
    patient = (
        Path(guard.__file__).read_text().replace(f"TOLD_AFTER = {guard.TOLD_AFTER}\n", "TOLD_AFTER = 60.0\n")
    )
    (tmp_path / "guard.py").write_text(patient)
    sockets, told = _claimed(tmp_path / "x", os.getpid()), tmp_path / "pid"
    program = [sys.executable, "-I", "-S", str(tmp_path / "guard.py"), str(sockets), str(os.getpid())]
    with (sockets / guard.LOCK_NAME).open("r+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        watching = subprocess.Popen([*program, *DAEMON, str(told)])
        assert _until(lambda: told.exists() and told.read_text())
        os.kill(int(told.read_text()), signal.SIGKILL)
        assert _until(lambda: _is_gone(int(told.read_text())))
        # Time to find the lock held; on a slow machine it is free before that.
        time.sleep(0.1)
    watching.wait(20)

    assert "TOLD_AFTER = 60.0\n" in patient
    assert not sockets.exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_guard_that_is_asked_to_end_ends_its_daemon(tmp_path: Path, number: int) -> None:
    sockets, told = _claimed(tmp_path / "x", os.getpid()), tmp_path / "pid"
    watching = subprocess.Popen(
        [sys.executable, "-I", "-S", guard.__file__, str(sockets), str(os.getpid()), *DAEMON, str(told)]
    )
    assert _until(lambda: told.exists() and told.read_text())

    watching.send_signal(number)
    watching.wait(20)

    assert _until(lambda: _is_gone(int(told.read_text())))
    assert not sockets.exists()


def test_a_guard_that_is_asked_while_it_looks_after_its_daemon_ends_it_too(tmp_path: Path) -> None:
    sockets, told = _claimed(tmp_path / "x", os.getpid()), tmp_path / "pid"
    program = [sys.executable, "-c", SIGNALLED_IN_A_LOCK, guard.__file__, str(sockets), str(os.getpid())]
    watching = subprocess.Popen([*program, *DAEMON, str(told)])

    try:
        assert watching.wait(20) == 0
    finally:
        watching.kill()
        watching.wait()
    assert not sockets.exists()


def test_a_daemon_that_ends_by_itself_ends_its_guard_at_once(tmp_path: Path) -> None:
    # At once, which is before it looks after its parent for the first time.
    seldom = (
        Path(guard.__file__).read_text().replace(f"LOOK_EVERY = {guard.LOOK_EVERY}\n", "LOOK_EVERY = 600.0\n")
    )
    (tmp_path / "guard.py").write_text(seldom)
    sockets = _claimed(tmp_path / "x", os.getpid())
    program = [sys.executable, "-I", "-S", str(tmp_path / "guard.py"), str(sockets), str(os.getpid())]

    subprocess.run([*program, "sleep", "0.1"], timeout=60, check=True)

    assert "LOOK_EVERY = 600.0\n" in seldom
    assert not sockets.exists()


def test_a_directory_that_others_share_is_not_removed_with_the_last_sockets(tmp_path: Path) -> None:
    shared, own = tmp_path / "anything" / "x", tmp_path / guard.PARENT_NAME / "y"
    for directory in (shared, own):
        _claimed(directory, 1)
        guard.discard(directory)

    assert shared.parent.exists() and not shared.exists()
    assert not own.parent.exists()
