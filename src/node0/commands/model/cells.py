# SPDX-License-Identifier: Apache-2.0
"""What stands in the cells of tables of models: short enough that a table fits 80 columns."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from node0.finetune.registry.states import Alias

DIGEST = 12
"Characters of a digest that are shown."

BASE = 14
NOTHING = "-"


def clipped(value: object, width: int) -> str:
    """A value in one line of at most `width` characters; an ellipsis where more is left out."""
    text = " ".join(str(value).split())
    return text if len(text) <= width else text[: width - 1] + "…"


def base_name(base: str) -> str:
    """The last part of a base's path or hub id."""
    return clipped(Path(base).name, BASE) or NOTHING


def alias_names(names: Iterable[Alias]) -> str:
    """`@active @candidate`."""
    return " ".join(f"@{alias}" for alias in names) or NOTHING


def facts(detail: Mapping[str, Any]) -> str:
    """`from 1, to 2`, without what is empty."""
    return ", ".join(f"{name} {value}" for name, value in detail.items() if value not in (None, [], ""))
