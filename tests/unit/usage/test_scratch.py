# SPDX-License-Identifier: Apache-2.0
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from node0.usage.scratch import OWNER, scratch_directory

HOLD = """
import sys
from node0.usage.scratch import scratch_directory
with scratch_directory("kind-") as place:
    print(place, flush=True)
    sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return tmp_path


def test_a_directory_is_gone_when_its_block_ends(temporary: Path) -> None:
    with scratch_directory("kind-") as place:
        (place / "deep").mkdir()
        (place / "deep" / "file").write_text("x")
        assert place.parent == temporary.resolve() and place.stat().st_mode & 0o777 == 0o700

    assert list(temporary.iterdir()) == []


def test_what_a_killed_process_left_is_removed_by_the_next_and_what_is_in_use_stays(temporary: Path) -> None:
    command = [sys.executable, "-c", HOLD]
    holders = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(2)
    ]
    try:
        places = [Path(holder.stdout.readline().strip()) for holder in holders if holder.stdout]
        holders[0].kill()
        holders[0].wait()
        assert all(place.is_dir() for place in places)

        with scratch_directory("kind-") as place:
            found = {path.resolve() for path in temporary.iterdir()}

        assert found == {places[1], place}
    finally:
        for holder in holders:
            holder.communicate()
    assert list(temporary.iterdir()) == []


def test_directories_of_others_and_links_are_let_alone(temporary: Path) -> None:
    (temporary / "kind-without-owner").mkdir()
    (temporary / "other").mkdir()
    (temporary / "other" / OWNER).touch()
    (temporary / "kind-link").symlink_to(temporary / "other")
    os.mkfifo(temporary / "kind-pipe")
    before = sorted(temporary.iterdir())

    with scratch_directory("kind-"):
        pass

    assert sorted(temporary.iterdir()) == before
    assert (temporary / "other" / OWNER).exists()
