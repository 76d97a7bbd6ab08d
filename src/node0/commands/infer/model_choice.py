# SPDX-License-Identifier: Apache-2.0
"""Which model a person wants to be answered by."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """A model by one of its names, and what is added to it."""

    name: str
    town: Path | None = None
    adapters: tuple[str, ...] = ()
    role: str | None = None
    device: str = "auto"
    dtype: str = "auto"


def names_in(text: str) -> tuple[str, ...]:
    """Names between commas; empty ones are none."""
    return tuple(name for part in text.split(",") if (name := part.strip()))
