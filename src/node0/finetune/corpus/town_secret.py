# SPDX-License-Identifier: Apache-2.0
"""A secret of a town: random, in a file for its owner alone (0600), made when it is first needed."""

import os
import secrets
import tempfile
from contextlib import suppress
from pathlib import Path

from node0.errors import ConfigError
from node0.files import private_directory

OTHERS = 0o077
SHORTEST = 32
"Hexadecimal digits."


def read_town_secret(path: Path, *, to: str) -> str:
    """The secret in a file, as hexadecimal digits.

    Args:
        path: Of the file.
        to: What deleting it leads to, for messages.

    Raises:
        ConfigError: others can read it, or it holds none.
        OSError: it cannot be made.
    """
    if not path.exists():
        _make(path)
    if path.stat().st_mode & OTHERS:
        raise ConfigError(f"others can read {path}: run `chmod 600 {path}`, or delete it to {to}")
    secret = path.read_text(encoding="utf-8").strip()
    if len(secret) < SHORTEST:
        raise ConfigError(f"{path} holds no {path.suffix[1:]}: delete it to {to}")
    return secret


def _make(path: Path) -> None:
    """Write it whole, and leave one that another process has made meanwhile."""
    private_directory(path.parent)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")  # 0600
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(secrets.token_hex(32) + "\n")
        with suppress(FileExistsError):
            os.link(name, path)
    finally:
        Path(name).unlink()
