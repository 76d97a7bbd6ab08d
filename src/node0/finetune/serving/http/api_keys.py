# SPDX-License-Identifier: Apache-2.0
"""API keys from a file: a token a line, with a name and the grant of its rig where these are given."""

import stat
from dataclasses import dataclass, field
from pathlib import Path

from node0.errors import ConfigError

MIN_TOKEN = 16
"Characters of the shortest token that is taken."


@dataclass(frozen=True, slots=True)
class ApiKey:
    """One line."""

    token: str = field(repr=False)
    name: str
    "What logs call it."

    grant: Path | None = None
    "JSON file with the block `model_access`; without one the key has the standard tier."


def read_keys(path: Path) -> list[ApiKey]:
    """The keys of a file, one a line: `TOKEN [NAME [FILE]]`; a relative FILE lies beside it.

    Raises:
        ConfigError: it cannot be read, others may read it, or a line is no key.
    """
    try:
        mode = path.stat().st_mode
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        raise ConfigError(f"cannot read tokens from {path}: {reason}; check the path") from None
    if mode & (stat.S_IRGRP | stat.S_IROTH):
        raise ConfigError(f"others may read the tokens in {path}; run: chmod 600 {path}")
    keys = [_key(path, number, line.split()) for number, line in enumerate(lines, 1) if line.strip()]
    if not keys:
        raise ConfigError(f"{path} is empty; write one token a line, of {MIN_TOKEN} characters or more")
    if len({key.name for key in keys}) < len(keys):
        raise ConfigError(f"{path} gives two keys one name; give each its own")
    return keys


def _key(path: Path, number: int, words: list[str]) -> ApiKey:
    token, name, grant, *rest = [*words, *([""] * (3 - len(words)))]
    if rest:
        raise ConfigError(f"{path} line {number} has more than TOKEN NAME FILE; write one key a line")
    if len(token) < MIN_TOKEN:
        raise ConfigError(
            f"{path} line {number} begins with no token of {MIN_TOKEN} characters or more; write one"
        )
    if not (token.isascii() and token.isprintable()):
        raise ConfigError(f"{path} holds a token that no header can carry; use letters and digits")
    return ApiKey(token, name or f"key{number}", path.parent / grant if grant else None)
