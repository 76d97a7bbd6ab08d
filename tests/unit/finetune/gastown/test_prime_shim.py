# SPDX-License-Identifier: Apache-2.0
import subprocess
from pathlib import Path

import pytest

from node0.finetune.gastown.prime_shim import shim_files
from node0.town import Town

SAID = "real prime\nwith an x in it\n\n\n"


@pytest.fixture
def town(tmp_path: Path) -> Town:
    """A town with blanks and quotes in its name, the shim, and a gt that says how it was called."""
    town = Town(tmp_path / "it's a $town")
    write(
        tmp_path / "bin" / "gt",
        'printf "%s\\n" "$*" "$PATH" >>"$LOG"\ncat\n'
        'printf "real prime\\nwith an x in it\\n\\n\\n"\nexit "${GT_CODE-0}"',
    )
    for path, (text, mode) in shim_files(town, tmp_path / "own place" / "node0").items():
        write(path, "")
        path.write_text(text)
        path.chmod(mode)
    return town


def write(path: Path, script: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def ours(tmp_path: Path, script: str) -> None:
    write(tmp_path / "own place" / "gt-model", script)


def call(
    town: Town, *words: str, agent: str = "ft-deacon-v1", **more: str
) -> subprocess.CompletedProcess[str]:
    place = town.root.parent
    path = f"{town.prime_shim.parent}:{place / 'bin'}:/usr/bin:/bin"
    environment = {"PATH": path, "GT_AGENT": agent, "LOG": str(place / "log"), **more}
    return subprocess.run(
        [town.prime_shim, *words], env=environment, input="{}", capture_output=True, text=True, timeout=20
    )


def test_a_prime_of_our_agent_is_ours_to_the_byte_with_its_input(town: Town, tmp_path: Path) -> None:
    ours(tmp_path, 'echo "ours: $*"; cat; printf "x1\\n\\n\\n"')

    done = call(town, "prime", "--hook")

    assert (done.returncode, done.stdout) == (0, "ours: prime --hook\n{}x1\n\n\n")


@pytest.mark.parametrize("words", [["prime", "--help"], ["prime", "--dry-run"], ["prime", "--hook", "-q"]])
def test_other_ways_to_call_it_are_the_real_ones(town: Town, tmp_path: Path, words: list[str]) -> None:
    ours(tmp_path, "echo ours")

    done = call(town, *words)

    assert done.stdout.endswith(SAID) and "ours" not in done.stdout
    assert (town.root.parent / "log").read_text().splitlines()[0] == " ".join(words)


@pytest.mark.parametrize("agent", ["", "claude", "gemini"])
def test_a_prime_of_another_agent_is_the_real_one(town: Town, tmp_path: Path, agent: str) -> None:
    ours(tmp_path, "echo ours")

    done = call(town, "prime", "--hook", agent=agent)

    assert (done.returncode, done.stdout) == (0, "{}" + SAID)


def test_every_other_command_is_the_real_one_and_finds_the_real_one(town: Town, tmp_path: Path) -> None:
    ours(tmp_path, "echo ours")

    done = call(town, "mail", "send", "two words", GT_CODE="7")

    assert (done.returncode, done.stdout) == (7, "{}" + SAID)
    words, path = (tmp_path / "log").read_text().splitlines()
    assert words == "mail send two words" and str(town.prime_shim.parent) not in path


@pytest.mark.parametrize("broken", ["exit 1", "exec /nowhere", "kill -9 $$", None])
def test_whatever_breaks_in_ours_the_real_prime_is_read(
    town: Town, tmp_path: Path, broken: str | None
) -> None:
    if broken is not None:
        ours(tmp_path, broken)

    done = call(town, "prime", "--hook")

    assert (done.returncode, done.stdout) == (0, "{}" + SAID)


def test_later_commands_of_the_session_find_it_too(town: Town, tmp_path: Path) -> None:
    ours(tmp_path, "echo ours")
    file = tmp_path / "env file"

    call(town, "prime", "--hook", CLAUDE_ENV_FILE=str(file))

    script = f'. "{file}"; command -v gt'
    found = subprocess.run(
        ["sh", "-c", script], capture_output=True, text=True, env={"PATH": "/usr/bin:/bin"}
    )
    assert found.stdout.strip() == str(town.prime_shim)


def test_a_file_that_cannot_be_written_breaks_nothing(town: Town, tmp_path: Path) -> None:
    ours(tmp_path, "echo ours")

    done = call(town, "prime", CLAUDE_ENV_FILE=str(tmp_path))

    assert (done.returncode, done.stdout) == (0, "ours\n")


@pytest.mark.parametrize("spelled", ["{}/", "{}/../shim", "{}//."])
@pytest.mark.parametrize("word", ["prime", "mail"])
def test_its_directory_is_known_however_path_spells_it(
    town: Town, tmp_path: Path, spelled: str, word: str
) -> None:
    path = f"{spelled.format(town.prime_shim.parent)}:{tmp_path / 'bin'}:/usr/bin:/bin"

    done = call(town, word, PATH=path)

    assert (done.returncode, done.stdout) == (0, "{}" + SAID)
