# SPDX-License-Identifier: Apache-2.0
import fcntl
import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from unittest import mock

import pytest

from node0 import files
from node0.errors import ConfigError
from node0.files import (
    copy_file,
    existing_parent,
    free_disk,
    is_locked,
    locked,
    make_directory,
    narrow,
    open_to_append,
    private_directory,
    sha256_of,
    try_locked,
    whole_directory,
    whole_file,
    whole_output,
    whole_path,
    write_atomically,
)


@pytest.fixture(autouse=True)
def usual_umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_lock_on_a_file_that_was_removed_meanwhile_is_none(tmp_path: Path) -> None:
    path, busy = tmp_path / "lock", BlockingIOError("taken")
    opened = path.open("w")
    with try_locked(path, busy=busy):
        path.unlink()

    # Somebody makes the file anew while another one still waits with the old one in hand.
    with opened, mock.patch.object(files, "open_to_append", lambda _: nullcontext(opened)):
        path.touch()
        with pytest.raises(BlockingIOError), try_locked(path, busy=busy):
            pass


def test_a_file_keeps_its_mode_when_it_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "settings" / "secret.json"
    write_atomically(path, "1")
    path.chmod(0o600)
    write_atomically(path, "2")

    assert path.stat().st_mode & 0o777 == 0o600
    assert path.read_text() == "2"


def test_what_is_written_is_for_its_owner_alone_and_so_are_new_directories(tmp_path: Path) -> None:
    write_atomically(tmp_path / "a" / "b" / "file", "1")

    assert [mode(tmp_path / name) for name in ("a", "a/b", "a/b/file")] == [0o700, 0o700, 0o600]


def test_a_file_with_wider_rights_is_narrowed_when_it_is_written_again(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("1")
    path.chmod(0o664)

    write_atomically(path, "2")

    assert mode(path) == 0o600


@pytest.mark.parametrize("is_there", [True, False])
def test_a_link_to_a_shared_file_stays_a_link(*, is_there: bool, tmp_path: Path) -> None:
    target, link = tmp_path / "dotfiles" / "settings.json", tmp_path / "settings.json"
    target.parent.mkdir()
    if is_there:
        target.write_text("1")
        target.chmod(0o640)
    link.symlink_to(target)

    write_atomically(link, "2", shared=True)

    assert link.is_symlink() and (target.read_text(), mode(target)) == ("2", 0o640 if is_there else 0o644)


def test_a_shared_file_keeps_its_rights_and_a_new_one_can_be_read_by_all(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    old.write_text("1")
    old.chmod(0o664)

    for path in (old, new):
        write_atomically(path, "2", shared=True)

    assert (mode(old), mode(new)) == (0o664, 0o644)


def test_a_file_that_cannot_be_made_is_named_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**where: str) -> tuple[int, str]:
        raise PermissionError(13, "Permission denied", f"{where['prefix']}abc{where['suffix']}")

    monkeypatch.setattr("tempfile.mkstemp", refuse)

    with pytest.raises(PermissionError) as refused:
        write_atomically(tmp_path / "a.json", "1")
    assert refused.value.filename == str(tmp_path / "a.json")


def test_a_block_that_fails_leaves_the_old_file_and_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_atomically(path, "old")

    for whole in (whole_file, whole_path):
        with pytest.raises(OSError, match="disk full"), whole(path):
            raise OSError("disk full")

    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_library_that_replaces_the_file_it_was_given_changes_no_rights(tmp_path: Path) -> None:
    with whole_path(tmp_path / "weights") as beside:
        beside.unlink()
        beside.write_text("w")
        beside.chmod(0o666)

    assert mode(tmp_path / "weights") == 0o600
    assert (tmp_path / "weights").read_text() == "w"


def test_a_directory_that_fails_half_way_leaves_the_old_one(tmp_path: Path) -> None:
    with whole_directory(tmp_path / "d") as beside:
        (beside / "f").write_text("old")

    with pytest.raises(OSError, match="disk full"), whole_directory(tmp_path / "d") as beside:
        (beside / "f").write_text("new")
        raise OSError("disk full")

    assert (tmp_path / "d" / "f").read_text() == "old"
    assert mode(tmp_path / "d") == 0o700
    assert list(tmp_path.iterdir()) == [tmp_path / "d"]


@pytest.mark.parametrize(("existing", "left"), [("replace", "new"), ("keep", "old")])
def test_a_directory_that_is_there_by_then_is_replaced_or_kept(
    tmp_path: Path, existing: str, left: str
) -> None:
    with whole_directory(tmp_path / "d", existing=existing) as beside:  # type: ignore[arg-type]  # a parameter
        (beside / "f").write_text("new")
        (tmp_path / "d").mkdir()
        (tmp_path / "d" / "f").write_text("old")

    assert (tmp_path / "d" / "f").read_text() == left
    assert list(tmp_path.iterdir()) == [tmp_path / "d"]


def test_a_directory_that_must_be_new_refuses_one_that_is_not_empty(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "f").write_text("old")

    with pytest.raises(OSError, match="not empty"), whole_directory(tmp_path / "d", existing="refuse"):
        pass

    assert [path.name for path in tmp_path.rglob("*")] == ["d", "f"]


def test_a_copy_is_for_its_owner_alone_whatever_the_source_was(tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(b"x")
    (tmp_path / "source").chmod(0o755)

    copy_file(tmp_path / "source", tmp_path / "below" / "target")

    assert (tmp_path / "below" / "target").read_bytes() == b"x"
    assert mode(tmp_path / "below" / "target") == 0o600


def test_a_file_that_grows_is_made_private_or_narrowed(tmp_path: Path) -> None:
    old = tmp_path / "old.log"
    old.write_text("1")
    old.chmod(0o644)

    for path in (old, tmp_path / "new.log"):
        with open_to_append(path) as file:
            file.write(b"2")

    assert old.read_text() == "12"
    assert [mode(path) for path in sorted(tmp_path.iterdir())] == [0o600, 0o600]


def test_whoever_comes_second_waits_for_the_lock(tmp_path: Path) -> None:
    path = tmp_path / "lock"

    with locked(path), path.open("a") as second, pytest.raises(BlockingIOError):
        fcntl.flock(second, fcntl.LOCK_EX | fcntl.LOCK_NB)

    with path.open("a") as third:
        fcntl.flock(third, fcntl.LOCK_EX | fcntl.LOCK_NB)
    assert mode(path) == 0o600


def test_making_a_directory_leaves_the_rights_of_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir(mode=0o755)

    make_directory(tmp_path / "a" / "b" / "c")

    assert [mode(tmp_path / name) for name in ("a", "a/b", "a/b/c")] == [0o755, 0o700, 0o700]


def test_a_directory_with_wider_rights_becomes_private(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir(mode=0o755)

    assert private_directory(tmp_path / "a") == tmp_path / "a"

    assert mode(tmp_path / "a") == 0o700


def test_a_place_that_all_share_stays_shared(tmp_path: Path) -> None:
    shared = tmp_path / "tmp"
    shared.mkdir()
    shared.chmod(0o1777)

    narrow(shared)

    assert mode(shared) == 0o1777


def test_narrowing_takes_nothing_from_the_owner(tmp_path: Path) -> None:
    tool = tmp_path / "tool"
    tool.write_text("")
    tool.chmod(0o755)

    narrow(tool)

    assert mode(tool) == 0o700


def test_the_digest_of_a_file_is_that_of_its_bytes(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"x" * 3_000_000)

    assert sha256_of(tmp_path / "f") == hashlib.sha256(b"x" * 3_000_000).hexdigest()


def test_whoever_would_rather_not_wait_is_told_that_a_lock_is_held(tmp_path: Path) -> None:
    path = tmp_path / "lock"

    busy = BlockingIOError("taken")
    with try_locked(path, busy=busy), pytest.raises(BlockingIOError), try_locked(path, busy=busy):
        pass
    with try_locked(path, busy=BlockingIOError("still taken")):
        assert path.is_file()


def test_an_output_takes_its_place_when_the_block_ends(tmp_path: Path) -> None:
    with whole_output(tmp_path / "a" / "out") as place:
        place.mkdir()
        (place / "file").write_text("1")
        before = (tmp_path / "a" / "out").exists()

    assert not before
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["out"]
    assert (tmp_path / "a" / "out" / "file").read_text() == "1"
    assert stat.S_IMODE((tmp_path / "a" / "out" / "file").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "a" / "out").stat().st_mode) == 0o700


def test_an_output_that_fails_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"^no$"), whole_output(tmp_path / "out") as place:
        place.write_text("half")
        raise ValueError("no")

    assert list(tmp_path.iterdir()) == []


def test_an_output_that_is_there_is_refused_before_the_work(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine")

    with pytest.raises(ConfigError, match=r"out is there already"), whole_output(tmp_path / "out"):
        raise AssertionError("the work began")


def test_a_lock_is_seen_while_it_is_held_and_not_after(tmp_path: Path) -> None:
    with locked(tmp_path / "lock"):
        held = is_locked(tmp_path / "lock")

    assert held
    assert not is_locked(tmp_path / "lock")
    with try_locked(tmp_path / "lock", busy=ConfigError("looking took it")):
        pass


def test_the_disk_of_a_directory_that_is_not_there_yet_is_that_of_its_parent(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    assert existing_parent(tmp_path / "a" / "b") == tmp_path
    assert existing_parent(tmp_path / "file" / "b") == tmp_path / "file"
    assert (
        0 < free_disk(tmp_path / "a" / "b") <= os.statvfs(tmp_path).f_blocks * os.statvfs(tmp_path).f_frsize
    )
