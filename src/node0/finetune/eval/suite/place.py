# SPDX-License-Identifier: Apache-2.0
"""The throwaway place of one trial: a sandbox's workspace with `bd` and `gt` on its PATH.

`bd` and `gt` are small programs of ours that behave as the real ones do where an item can tell
(`programs/bd.py`, `programs/gt.py`); nothing in it reaches a town.
"""

import contextlib
import errno
import importlib.resources
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from node0.errors import ConfigError
from node0.finetune.eval.sandbox.sandbox_runner import SandboxRunner
from node0.finetune.eval.sandbox.workspace import OutsideWorkspace, Workspace
from node0.finetune.eval.suite.checks.bead_state import STORE
from node0.finetune.eval.suite.evidence import Ran
from node0.finetune.eval.suite.item import Bead, Setup

CANNOT_BE_RUN = 126
"Exit code of a command line that no program can be started with, as shells have it."

GT_ANSWERS = ".town/gt.json"
PROGRAMS = ("bd", "gt")
MOMENT = "2026-01-05T10:00:00Z"
"When everything in a throwaway place happens, so that the same work gives the same commits."

ENVIRONMENT = {
    "GIT_AUTHOR_NAME": "agent",
    "GIT_AUTHOR_EMAIL": "agent@town.example",
    "GIT_COMMITTER_NAME": "agent",
    "GIT_COMMITTER_EMAIL": "agent@town.example",
    "GIT_AUTHOR_DATE": MOMENT,
    "GIT_COMMITTER_DATE": MOMENT,
    "GIT_EDITOR": "true",
    "GIT_PAGER": "cat",
    "GIT_CONFIG_COUNT": "2",
    "GIT_CONFIG_KEY_0": "init.defaultBranch",
    "GIT_CONFIG_VALUE_0": "main",
    "GIT_CONFIG_KEY_1": "advice.detachedHead",
    "GIT_CONFIG_VALUE_1": "false",
}

_REPOSITORY = r"""
git init -q
printf '.remote.git\n.proposed.patch\n.beads\n.town\n.checks\n' >> .git/info/exclude
printf 'def add(a, b):\n    return a + b\n' > calc.py
printf '# Calc\n\nAdds numbers.\n' > README.md
git add -A
git commit -qm 'First version'
git init -q --bare .remote.git
git remote add origin "$PWD/.remote.git"
git push -q -u origin main
"""


@dataclass(frozen=True)
class SandboxPlace:
    """A workspace, and the sandbox that runs commands in it."""

    runner: SandboxRunner
    workspace: Workspace
    programs: Path

    def run(self, command: str) -> Ran:
        """Run a shell command in the workspace's root; exit code 126 where the system takes no such line."""
        try:
            done = self.runner.run(
                ["bash", "-c", command], self.workspace, programs=self.programs, environment=ENVIRONMENT
            )
        except ValueError as error:  # a null byte, or half of a surrogate pair
            return Ran(command, CANNOT_BE_RUN, f"bash: the command cannot be run: {error}\n")
        except OSError as error:
            if error.errno != errno.E2BIG:
                raise
            return Ran(command, CANNOT_BE_RUN, "bash: Argument list too long\n")
        return Ran(command, done.exit_code, done.stdout + done.stderr, done.stopped)

    def write(self, path: str, text: str) -> bool:
        """Write a file; False where the path leads out of the place, or through a link."""
        try:
            self.workspace.write(path, text)
        except OutsideWorkspace:
            return False
        return True

    def read(self, path: str) -> str | None:
        """A file's text; None where there is no plain file."""
        return self.workspace.read(path)


@contextlib.contextmanager
def open_place(setup: Setup, runner: SandboxRunner) -> Iterator[SandboxPlace]:
    """A place that holds what an item's setup says.

    Raises:
        ConfigError: the setup's own script fails.
    """
    with runner.workspace() as workspace:
        place = SandboxPlace(runner, workspace, _programs(workspace.scaffold.parent))
        workspace.fill(setup.files)
        store = {"prefix": setup.prefix, "beads": bead_rows(setup.beads), "comments": []}
        if setup.beads:
            workspace.write(STORE, json.dumps(store))
        if setup.gt:
            workspace.write(GT_ANSWERS, json.dumps(setup.gt))
        if setup.git or setup.commands:
            done = place.run(f"set -e\n{_REPOSITORY if setup.git else ''}{setup.commands}")
            if done.exit_code or done.stopped:
                told = " ".join([*done.stopped, *done.output.split()])
                raise ConfigError(f"an item's setup fails: {told[-300:]}; correct its commands")
        yield place


def bead_rows(beads: tuple[Bead, ...]) -> dict[str, dict[str, Any]]:
    """Beads in the form in which `programs/bd.py` keeps them, by id."""
    return {
        bead.id: bead.model_dump(exclude={"needs", "parent", "labels"})
        | {"labels": list(bead.labels), "close_reason": "", "acceptance": "", "notes": "", "design": ""}
        | {"parent": bead.parent}
        | {"needs": [[other, "blocks"] for other in bead.needs]}
        for bead in beads
    }


def _programs(above: Path) -> Path:
    """A directory of executables beside the workspace, gone with it."""
    found = above / "programs"
    found.mkdir()
    found.chmod(0o755)
    sources = importlib.resources.files("node0.finetune.eval.suite.programs")
    for name in PROGRAMS:
        file = found / name
        start = f"#!{Path(sys.executable).resolve()} -IS\n"
        file.write_text(start + sources.joinpath(f"{name}.py").read_text(encoding="utf-8"))
        file.chmod(0o755)
    return found
