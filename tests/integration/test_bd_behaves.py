# SPDX-License-Identifier: Apache-2.0
"""Our small `bd` beside a real one: the same commands are refused, and the same beads are left."""

import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from node0.finetune.eval.suite.programs import bd

pytestmark = pytest.mark.integration

COMMANDS = """
create "First" --id gt-1aa -t bug -p P1 -l ui,hot -d "what breaks"
create "Second" --id gt-2bb --deps gt-1aa
create "Third" --id gt-3cc --deps blocks:gt-2bb
create "Found" --id gt-4dd --deps discovered-from:gt-1aa
create "Epic" --id gt-5ee -t epic
create "Child" --id gt-6ff -t feat
create "Torn" --id gt-6gg --parent gt-5ee
update gt-6ff --parent gt-5ee
create "Odd" --id gt-7gg -p 9
create "Odder" --id gt-8hh --colour red
complete gt-1aa
update gt-1aa --status done
update gt-1aa --status in_progress --add-label new --remove-label hot
dep add gt-1aa gt-2bb
dep add gt-4dd gt-1aa --type hates
dep add gt-4dd gt-3cc
close gt-2bb -r early
close gt-5ee -r early
close gt-6ff --reason done
close gt-5ee --reason "all children are closed"
close gt-3cc -r done
dep remove gt-4dd gt-3cc
update gt-9zz -p 0
update gt-4dd -p 0 --title "Found it" --type chore
reopen gt-3cc
comment gt-1aa "looked at it"
show gt-9zz
ready
"""


def _state(bd_list: str, blocked: str) -> tuple[dict[str, Any], list[str]]:
    rows = json.loads(bd_list)
    beads = {row["id"]: (row["title"], row["status"], row["priority"], row["issue_type"]) for row in rows}
    return beads, sorted(row["id"] for row in json.loads(blocked))


def _through(run: Callable[[list[str]], "subprocess.CompletedProcess[str]"]) -> tuple[list[bool], Any]:
    """Which commands were carried out, and what they left."""
    done = [run(shlex.split(line)).returncode == 0 for line in COMMANDS.strip().splitlines()]
    return done, _state(run(["list", "--all", "--json"]).stdout, run(["blocked", "--json"]).stdout)


def test_both_refuse_and_leave_the_same(tmp_path: Path) -> None:
    real = shutil.which("bd")
    if real is None:
        pytest.skip("bd is not installed; it is a user's own (github.com/gastownhall/beads)")
    places = {name: tmp_path / name for name in ("real", "ours", "home")}
    for place in places.values():
        place.mkdir()
    environment = {**os.environ, "HOME": str(places["home"]), "BD_NON_INTERACTIVE": "1"}

    def runs(name: str, program: list[str]) -> Callable[[list[str]], "subprocess.CompletedProcess[str]"]:
        return lambda words: subprocess.run(
            [*program, *words],
            cwd=places[name],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    subprocess.run(["git", "init", "-q", "."], cwd=places["real"], check=True, timeout=20)
    assert runs("real", [real])(["init", "--prefix", "gt", "--quiet"]).returncode == 0

    assert _through(runs("ours", [sys.executable, "-IS", bd.__file__])) == _through(runs("real", [real]))
