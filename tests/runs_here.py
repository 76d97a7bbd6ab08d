# SPDX-License-Identifier: Apache-2.0
"""A runner that has no sandbox: for commands that a test itself wrote, in a workspace of its own."""

import contextlib
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from node0.finetune.eval.sandbox.sandbox_runner import SandboxResult
from node0.finetune.eval.sandbox.workspace import Workspace, open_workspace


class RunsHere:
    """Runs commands with the workspace as directory and home; counts them."""

    def __init__(self) -> None:
        self.runs = 0

    def workspace(self) -> contextlib.AbstractContextManager[Workspace]:
        return open_workspace(own_user=False)

    def run(
        self,
        command: Sequence[str],
        workspace: Workspace,
        *,
        programs: Path | None = None,
        environment: Mapping[str, str] | None = None,
        **_: Any,
    ) -> SandboxResult:
        self.runs += 1
        home = {"HOME": str(workspace.root), "PATH": f"{programs}:/usr/bin:/bin", "GIT_CONFIG_NOSYSTEM": "1"}
        done = subprocess.run(
            list(command), cwd=workspace.root, env={**home, **(environment or {})}, capture_output=True,
            text=True, timeout=60, check=False,
        )  # fmt: skip
        return SandboxResult(done.returncode, done.stdout, done.stderr, 0.0)
