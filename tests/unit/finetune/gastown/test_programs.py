# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest

from node0.finetune.gastown.programs import find_program


def put(place: Path, name: str, text: str) -> None:
    (place / name).write_text(f"#!/bin/sh\n{text}\n")
    (place / name).chmod(0o755)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return tmp_path


@pytest.mark.parametrize(
    ("name", "said", "version"),
    [
        ("gt", "gt version 1.0.1 (dev: main@abc)", (1, 0, 1)),
        ("tmux", "tmux 3.3a", (3, 3)),
        ("claude", "2.1.332 (Claude Code)", (2, 1, 332)),
        ("pi", "0.73.1", (0, 73, 1)),
    ],
)
def test_a_program_says_its_version(place: Path, name: str, said: str, version: tuple[int, ...]) -> None:
    put(place, name, f"echo '{said}'")

    found = find_program(name)

    assert (found.path, found.version) == (place / name, version)


def test_what_asks_is_what_the_program_understands(place: Path) -> None:
    put(place, "bd", '[ "$1" = version ] && echo "bd version 1.0.0 (dev)"')

    assert find_program("bd").spelled == "bd 1.0.0"


@pytest.mark.parametrize("text", ["echo nothing", "exit 3", "echo 1.2.3; exit 1"])
def test_a_program_that_fails_has_no_version(place: Path, text: str) -> None:
    put(place, "dolt", text)

    found = find_program("dolt")

    assert found.path is not None and found.version is None
    assert found.spelled == "dolt of unknown version"


def test_a_program_that_is_not_there_has_no_path(place: Path) -> None:
    assert find_program("no-such-program").path is None
