# SPDX-License-Identifier: Apache-2.0
"""Which entries a night's training chose from: one that gave no row is on no list of the run, and not new.

A run lists what it trained on and what it held out. An entry whose answers were all left out is neither, and
would ask for another training every night.
"""

from collections.abc import Iterable
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from node0.files import private_directory, write_atomically
from node0.town import Town


class Considered(BaseModel):
    """The file `<town>/.models/considered/<role>.json`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    run: str
    "Name of the run's directory."

    entries: list[str]
    "Their ids, sorted."


def keep_considered(town: Town, role: str, run: str, ids: Iterable[str]) -> None:
    """Write what a new run of a role is about to choose from."""
    file = _file(town, role)
    private_directory(file.parent)
    kept = Considered(run=Path(run).name, entries=sorted(ids))
    write_atomically(file, kept.model_dump_json() + "\n")


def read_considered(town: Town, role: str) -> Considered | None:
    """What the last new run of a role chose from; None where nobody knows."""
    try:
        return Considered.model_validate_json(_file(town, role).read_bytes())
    except (OSError, ValidationError):
        return None  # then what no version lists is new, as without nights


def _file(town: Town, role: str) -> Path:
    return town.models / "considered" / f"{role}.json"
