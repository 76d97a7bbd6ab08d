# SPDX-License-Identifier: Apache-2.0
"""The files of a model version: taken from a directory, and copied to where nobody trains again."""

from collections.abc import Iterable
from pathlib import Path

from node0.errors import ConfigError, NotFound
from node0.files import copy_file, private_directory, whole_directory
from node0.finetune.manifest import Artefact, artefacts_of, check, problems


def scan(directory: Path) -> list[Artefact]:
    """Every file of the model in `directory`, by path; whatever else lies there is no part of it.

    Raises:
        NotFound: there is no such directory, or no file of a model in it.
    """
    if not directory.is_dir():
        raise NotFound(f"no directory {directory}; give a run directory or a model directory")
    artefacts = artefacts_of(directory)
    if not artefacts:
        raise NotFound(f"{directory} holds no files of a model; give a run directory or a model directory")
    return artefacts


def copy_into(directory: Path, artefacts: Iterable[Artefact], target: Path) -> None:
    """Copy the files below `target`, whole or not at all. One that is there and in order is left alone.

    Raises:
        ConfigError: the place cannot be written.
        BadCheckpoint: a file changed while it was copied.
    """
    artefacts = list(artefacts)
    is_there = target.is_dir()
    if is_there and not problems(target, artefacts):
        return
    try:
        private_directory(target.parent)
        # Another process may put the same files there first; the name is their digest.
        with whole_directory(target, existing="replace" if is_there else "keep") as copy:
            for artefact in artefacts:
                copy_file(directory / artefact.path, copy / artefact.path)
            check(copy, artefacts)
    except OSError as error:
        raise ConfigError(f"cannot write {target}: {error.strerror}; choose another --town") from error
