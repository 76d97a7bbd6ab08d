# SPDX-License-Identifier: Apache-2.0
"""The programs of a town, by what is on PATH and what it says of its version."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

SECONDS = 20.0
"A program says its version at once; a harness on a busy machine takes seconds."

Version = tuple[int, ...]

_ASK = {"tmux": ["-V"], "dolt": ["version"], "gt": ["version"], "bd": ["version"]}
_NUMBER = re.compile(r"\d+(?:\.\d+)+")


class Program(NamedTuple):
    """A program, and where it was found."""

    name: str
    path: Path | None
    "None: it is not on PATH."

    version: Version | None
    "None: it does not run, or says none."

    @property
    def spelled(self) -> str:
        """`gt 1.0.1`."""
        return f"{self.name} {spelled(self.version)}"


def find_program(name: str) -> Program:
    """Look for a program and ask its version; nothing is started but that."""
    found = shutil.which(name)
    return Program(name, Path(found) if found else None, _version(found, name) if found else None)


def spelled(version: Version | None) -> str:
    """`1.0.1`, or that it is not known."""
    return ".".join(map(str, version)) if version else "of unknown version"


def _version(path: str, name: str) -> Version | None:
    try:
        done = subprocess.run(
            [path, *_ASK.get(name, ["--version"])],
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = _NUMBER.search(done.stdout.decode(errors="replace"))
    return tuple(map(int, match.group().split("."))) if match and not done.returncode else None
