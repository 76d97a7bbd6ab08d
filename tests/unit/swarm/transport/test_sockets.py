# SPDX-License-Identifier: Apache-2.0
"""A directory for sockets has one living owner, and none afterwards."""

import fcntl
import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest

from node0.errors import ConfigError
from node0.swarm.transport.guard import LOCK_NAME, discard
from node0.swarm.transport.sockets import LIMIT, LIVING, Claim, last_owner_of, owner_of, socket_directory

HOLD = """
import sys
from pathlib import Path
from node0.swarm.transport.sockets import Claim
claim = Claim(Path(sys.argv[1]))
(claim.directory / "p2pd.sock").touch()
print("claimed", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def directory() -> Path:
    """Short, as the kernel wants it."""
    with tempfile.TemporaryDirectory(prefix="n-") as root:
        yield Path(root) / ".sockets" / "head-0"


def test_a_claim_is_private_and_its_release_leaves_nothing(directory: Path) -> None:
    claim = Claim(directory)

    assert directory.stat().st_mode & 0o777 == 0o700
    assert owner_of(directory) == last_owner_of(directory) == os.getpid()

    claim.release()
    claim.release()

    assert owner_of(directory) is None
    assert list(directory.parent.parent.iterdir()) == []


def test_a_living_owner_keeps_it_even_in_the_same_process(directory: Path) -> None:
    claim = Claim(directory)
    (directory / "a.sock").touch()
    try:
        with pytest.raises(ConfigError, match=f"process {os.getpid()} already runs"):
            Claim(directory)
        assert (directory / "a.sock").exists()
    finally:
        claim.release()


def test_a_dead_owner_loses_it_whatever_its_number_means_now(directory: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(directory)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"claimed\n"
        assert owner_of(directory) == holder.pid
        with pytest.raises(ConfigError, match=f"process {holder.pid} already runs"):
            Claim(directory)
        holder.kill()
        holder.wait()
    # A number that a living process has: the first of a container always has the same.
    (directory / LOCK_NAME).write_text(f"{os.getpid()}\n")

    assert owner_of(directory) is None
    claim = Claim(directory)

    assert [path.name for path in directory.iterdir()] == [LOCK_NAME]
    claim.release()


def test_who_comes_while_a_dead_owners_guard_clears_up_waits_for_it(directory: Path) -> None:
    directory.mkdir(parents=True)
    ended = subprocess.Popen(["true"])
    ended.wait()
    (directory / LOCK_NAME).write_text(f"{ended.pid}\n")
    guard = os.open(directory / LOCK_NAME, os.O_RDWR)
    fcntl.flock(guard, fcntl.LOCK_EX)

    def clear_up() -> None:
        discard(directory)
        os.close(guard)

    late = threading.Timer(3 * LIVING, clear_up)
    late.start()
    claim = Claim(directory)
    late.join()

    assert owner_of(directory) == os.getpid()
    claim.release()


def test_a_socket_that_its_daemon_removes_at_the_same_time_is_no_error(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory.mkdir(parents=True)
    (directory / "p2pd.sock").touch()
    found = Path.iterdir

    def removed_meanwhile(path: Path) -> list[Path]:
        names = list(found(path))
        (directory / "p2pd.sock").unlink(missing_ok=True)
        return names

    monkeypatch.setattr(Path, "iterdir", removed_meanwhile)
    Claim(directory).release()


def test_what_is_left_of_runs_whose_guards_were_killed_too_goes_with_the_next_claim(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with tempfile.TemporaryDirectory(prefix="n-") as root:
        monkeypatch.setattr(tempfile, "tempdir", root)
        left, used, own = (socket_directory(tmp_path / (letter * 90), "head-0") for letter in ("d", "e", "f"))
        left.mkdir(parents=True)
        (left / LOCK_NAME).write_text("7\n")
        (left / "p2pd.sock").touch()
        other = Claim(used)

        claim = Claim(own)

        assert not left.parent.exists()
        assert owner_of(used) == owner_of(own) == os.getpid()
        claim.release()
        other.release()
        assert list(Path(root).iterdir()) == []


def test_other_members_of_a_run_keep_theirs(directory: Path) -> None:
    one, other = Claim(directory), Claim(directory.with_name("tail-1"))

    one.release()
    assert owner_of(other.directory) == os.getpid()

    other.release()
    assert not directory.parent.exists()


def test_a_directory_that_holds_other_things_is_kept(tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="n-") as root:
        Claim(Path(root) / "mine").release()

        assert Path(root).is_dir()


def test_a_file_in_its_place_is_not_removed(directory: Path) -> None:
    directory.parent.mkdir()
    directory.write_text("something")

    with pytest.raises(ConfigError, match="no directory"):
        Claim(directory)
    assert directory.read_text() == "something"


def test_a_link_in_its_place_is_not_followed(directory: Path) -> None:
    elsewhere = directory.parent.parent / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "file").touch()
    directory.parent.mkdir()
    directory.symlink_to(elsewhere)

    with pytest.raises(ConfigError, match="no directory"):
        Claim(directory)
    assert (elsewhere / "file").exists()


def test_too_deep_a_directory_is_refused_before_it_is_made(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * LIMIT)

    with pytest.raises(ConfigError, match="too deep for sockets"):
        Claim(deep)
    assert not deep.exists()


def test_a_run_that_lies_deep_has_its_sockets_in_the_temporary_folder(tmp_path: Path) -> None:
    deep, other = tmp_path / ("d" * 90), tmp_path / ("e" * 90)

    found = socket_directory(deep, "head-0")

    assert found.parent.parent == Path(tempfile.gettempdir()).resolve()
    assert found == socket_directory(deep, "head-0")
    assert found.parent != socket_directory(other, "head-0").parent
    assert len(os.fsencode(found)) <= LIMIT


def test_a_run_that_does_not_has_them_inside() -> None:
    assert socket_directory(Path("/r"), "head-0") == Path("/r/.sockets/head-0")


@pytest.mark.parametrize("length", range(40, 80))
def test_members_of_one_run_have_them_in_one_place_whatever_their_names(length: int) -> None:
    run = Path("/" + "r" * length)
    found = [socket_directory(run, name) for name in ("any", "head-0", "body-998.99", "observer-4194304")]

    assert len({each.parent for each in found}) == 1
    assert all(len(os.fsencode(each)) <= LIMIT for each in found)
