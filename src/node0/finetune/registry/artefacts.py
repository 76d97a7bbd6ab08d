# SPDX-License-Identifier: Apache-2.0
"""The files of a model version: which they are, their digests, and whether they are still the same."""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path

from node0.errors import BadCheckpoint, ConfigError, NotFound
from node0.finetune.registry.schema import Artefact

LEFT_BEHIND = frozenset({"training_state", "checkpoints", "runs"})
"Directories of a run that let it go on and are not part of the model."


def scan(directory: Path) -> list[Artefact]:
    """Every file of the model in `directory`, by path.

    Raises:
        NotFound: there is no such directory, or nothing in it.
    """
    if not directory.is_dir():
        raise NotFound(f"no directory {directory}; give a run directory or a model directory")
    paths = sorted(path for path in directory.rglob("*") if path.is_file() and _belongs(path, directory))
    if not paths:
        raise NotFound(f"{directory} holds no files; give a run directory or a model directory")
    return [_artefact(path, directory) for path in paths]


def listed(manifest: Path) -> list[Artefact]:
    """The files that a run's MANIFEST.json names.

    Raises:
        BadCheckpoint: the manifest cannot be read.
    """
    try:
        files = json.loads(manifest.read_text(encoding="utf-8"))["files"].items()
        return [Artefact(path=path, sha256=file["sha256"], size=file["size"]) for path, file in files]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise BadCheckpoint(f"{manifest} cannot be read; finish the run or restore the file") from None


def problems(directory: Path, artefacts: Iterable[Artefact]) -> list[str]:
    """What differs from the recorded files, a line each; empty when all is well."""
    return [line for artefact in artefacts if (line := _problem(directory / artefact.path, artefact))]


def check(directory: Path, artefacts: Iterable[Artefact]) -> None:
    """Refuse files that are not those recorded.

    Raises:
        BadCheckpoint: a file is missing or differs.
    """
    if found := problems(directory, artefacts):
        more = f" and {len(found) - 1} more" if len(found) > 1 else ""
        raise BadCheckpoint(f"{directory}: {found[0]}{more}; register it again or restore the files")


def copy_into(directory: Path, artefacts: Iterable[Artefact], target: Path) -> None:
    """Copy the files below `target`, whole or not at all. A `target` that is there is left alone.

    Raises:
        ConfigError: the place cannot be written.
        BadCheckpoint: a file changed while it was copied.
    """
    if target.is_dir():
        return
    artefacts = list(artefacts)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".new-", dir=target.parent) as staging:
            copy = Path(staging) / "files"
            _copy_files(directory, artefacts, copy)
            check(copy, artefacts)
            _rename(copy, target)
    except OSError as error:
        raise ConfigError(f"cannot write {target}: {error.strerror}; choose another --town") from error


def _rename(copy: Path, target: Path) -> None:
    try:
        copy.rename(target)
    except OSError:
        # Another process put the same files there first; the name is their digest.
        if not target.is_dir():
            raise


def _copy_files(directory: Path, artefacts: Iterable[Artefact], copy: Path) -> None:
    for artefact in artefacts:
        place = copy / artefact.path
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(directory / artefact.path, place)
        with place.open("rb") as file:
            os.fsync(file.fileno())


def _belongs(path: Path, directory: Path) -> bool:
    parts = path.relative_to(directory).parts
    return parts[0] not in LEFT_BEHIND and not any(part.startswith(".") for part in parts)


def _artefact(path: Path, directory: Path) -> Artefact:
    return Artefact(
        path=path.relative_to(directory).as_posix(), sha256=file_sha256(path), size=path.stat().st_size
    )


def file_sha256(path: Path) -> str:
    """The sha256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _problem(path: Path, artefact: Artefact) -> str | None:
    if not path.is_file():
        return f"{artefact.path} is missing"
    if path.stat().st_size != artefact.size:
        return f"{artefact.path} has {path.stat().st_size} bytes, not {artefact.size}"
    if file_sha256(path) != artefact.sha256:
        return f"{artefact.path} does not have the recorded sha256"
    return None
