# SPDX-License-Identifier: Apache-2.0
import os
import shlex
import shutil
import subprocess
import time
import tomllib
from pathlib import Path

import pytest

from node0.finetune.gastown.collection_files import collect_script, plugin_files, unit_files, unit_name
from node0.town import Town

PROGRAM = """#!/bin/sh
echo "$$ $(ps -o sid= -p $$) $*" >{place}/called.part
mv {place}/called.part {place}/called
while [ ! -e {place}/go ]; do sleep 0.05; done
touch {place}/done
"""


@pytest.fixture
def own(tmp_path: Path) -> Town:
    """A town with blanks and quotes in its name, and a collector that waits to be let go."""
    town = Town(tmp_path / "it's a $town %h")
    town.models.mkdir(parents=True)
    program = tmp_path / "node0"
    program.write_text(PROGRAM.format(place=shlex.quote(str(tmp_path))))
    program.chmod(0o755)
    town.collect_script.write_text(collect_script(town, program))
    town.collect_script.chmod(0o700)
    return town


def until(file: Path) -> str:
    deadline = time.monotonic() + 10
    while not file.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    return file.read_text()


def test_a_hook_ends_at_once_with_0_and_leaves_the_collector_in_a_session_of_its_own(
    own: Town, tmp_path: Path
) -> None:
    # A pipe whose other end stays open, as a harness may leave it.
    reader, writer = os.pipe()
    try:
        done = subprocess.run([own.collect_script], stdin=reader, capture_output=True)
    finally:
        os.close(reader)
        os.close(writer)

    was_at_work = not (tmp_path / "done").exists()
    _, session, *words = until(tmp_path / "called").split(maxsplit=2)
    (tmp_path / "go").touch()
    until(tmp_path / "done")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert was_at_work
    assert words == [f"corpus collect --town {own.root}\n"]
    assert session != str(os.getsid(0))


def test_a_second_call_while_one_collects_starts_none(own: Town, tmp_path: Path) -> None:
    if shutil.which("flock") is None:
        pytest.skip("flock (util-linux) is not on PATH")
    subprocess.run([own.collect_script], stdin=subprocess.DEVNULL, check=True)
    first = until(tmp_path / "called")

    subprocess.run([own.collect_script], stdin=subprocess.DEVNULL, check=True)
    time.sleep(0.04)

    assert (tmp_path / "called").read_text() == first
    (tmp_path / "go").touch()
    until(tmp_path / "done")


def test_a_call_that_starts_none_leaves_the_log_of_the_one_at_work(own: Town, tmp_path: Path) -> None:
    if shutil.which("flock") is None:
        pytest.skip("flock (util-linux) is not on PATH")
    subprocess.run([own.collect_script], stdin=subprocess.DEVNULL, check=True)
    until(tmp_path / "called")
    (own.models / "collect.log").write_text("half of it\n")

    refused = subprocess.run([own.collect_script, "apart"], stdin=subprocess.DEVNULL)

    assert refused.returncode == 1 and (own.models / "collect.log").read_text() == "half of it\n"
    (tmp_path / "go").touch()
    until(tmp_path / "done")


@pytest.mark.parametrize("broken", ["no program", "no log", "no script"])
def test_whatever_is_broken_the_plugin_ends_with_0(own: Town, tmp_path: Path, broken: str) -> None:
    (tmp_path / "go").touch()
    if broken == "no program":
        (tmp_path / "node0").unlink()
    elif broken == "no log":
        (own.models / "collect.log").mkdir()
    else:
        own.collect_script.unlink()
    for path, (text, mode) in plugin_files(own).items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(mode)

    done = subprocess.run(
        [own.plugins / "node0-collect" / "run.sh"], stdin=subprocess.DEVNULL, capture_output=True
    )

    assert (done.returncode, done.stdout) == (0, b"")


def test_the_plugin_has_the_front_matter_that_gt_reads(own: Town) -> None:
    text = plugin_files(own)[own.plugins / "node0-collect" / "plugin.md"][0]

    matter = tomllib.loads(text.split("+++")[1])

    assert matter["name"] == "node0-collect"
    assert (matter["gate"], matter["execution"]["type"]) == ({"type": "cooldown", "duration": "1h"}, "script")


def test_the_units_are_units(own: Town, tmp_path: Path) -> None:
    verify = shutil.which("systemd-analyze")
    if verify is None:
        pytest.skip("systemd-analyze is not on PATH")
    files = unit_files(own, tmp_path / "node0", directory=tmp_path / "units")
    for path, (text, _) in files.items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)

    done = subprocess.run([verify, "verify", "--man=no", *files], capture_output=True, text=True)

    assert (done.returncode, done.stderr) == (0, "")
    assert {path.name for path in files} == {f"{unit_name(own)}.{kind}" for kind in ("service", "timer")}


def test_towns_of_one_name_have_units_of_their_own(tmp_path: Path) -> None:
    names = {unit_name(Town(tmp_path / place / "gt")) for place in ("a", "b")}

    assert len(names) == 2 and all(name.startswith("node0-collect-gt-") for name in names)
