# SPDX-License-Identifier: Apache-2.0
"""What `node0 town install` has written, so that uninstalling takes away that and nothing else."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from node0.errors import ConfigError
from node0.finetune.gastown.file_change import text_of
from node0.finetune.registry.deployments import Edit
from node0.town import Town

NAME = "installed.json"


class InstallRecord(BaseModel):
    """The file `<town>/.models/installed.json`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    files: dict[str, str] = Field(default_factory=dict)
    "sha256 by path, of files that are ours whole."

    agents: list[Edit] = Field(default_factory=list)
    "Members of the town's settings."

    hook: Edit | None = None
    "In the user's settings of Claude Code; its file is absolute."

    trust: list[Edit] = Field(default_factory=list)
    "In the user's files of Claude Code's state; their files are absolute."

    made_settings: bool = False
    "Whether our settings file was not there before."

    joint: str | None = None
    "What was put between our settings as they were and the block; None where it was there before."

    directories: list[str] = Field(default_factory=list)
    "Those that were not there before, parents first."


def record_file(town: Town) -> Path:
    """Where the record lies."""
    return town.models / NAME


def read_record(town: Town) -> InstallRecord | None:
    """The record; None where nothing is installed.

    Raises:
        ConfigError: it cannot be read.
    """
    file = record_file(town)
    text = text_of(file)
    if text is None:
        return None
    try:
        return InstallRecord.model_validate_json(text)
    except ValidationError as error:
        raise ConfigError(f"{file} cannot be read ({error.error_count()} errors); restore it") from None
