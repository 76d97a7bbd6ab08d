# SPDX-License-Identifier: Apache-2.0
import subprocess
import time
import tomllib
from pathlib import Path

from node0.finetune.gastown.nightly_files import nightly_files
from node0.town import Town


def test_the_plugin_ends_at_once_and_a_night_begins_apart(tmp_path: Path) -> None:
    town, program = Town(tmp_path / "a town"), tmp_path / "node0"
    program.write_text(
        f'#!/bin/sh\nsleep 0.3\necho "$*" >"{tmp_path}/part"\nmv "{tmp_path}/part" "{tmp_path}/called"\n'
    )
    program.chmod(0o755)
    for path, (text, mode) in nightly_files(town, program).items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(mode)

    done = subprocess.run(
        [town.plugins / "node0-nightly" / "run.sh"], stdin=subprocess.DEVNULL, capture_output=True
    )

    assert (done.returncode, done.stdout) == (0, b"") and not (tmp_path / "called").exists()
    deadline = time.monotonic() + 10
    while not (tmp_path / "called").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert (tmp_path / "called").read_text() == f"town nightly --town {town.root}\n"


def test_the_plugin_has_the_front_matter_that_gt_reads(tmp_path: Path) -> None:
    files = nightly_files(Town(tmp_path), tmp_path / "node0")

    text = files[tmp_path / "plugins" / "node0-nightly" / "plugin.md"][0]
    matter = tomllib.loads(text.split("+++")[1])
    assert matter["name"] == "node0-nightly"
    assert (matter["gate"], matter["execution"]["type"]) == (
        {"type": "cooldown", "duration": "20h"},
        "script",
    )
