# SPDX-License-Identifier: Apache-2.0
"""The files of a model with their digests, and whether they are still the same.

`MANIFEST.json` ends with `digest`, the sha256 of its own JSON without it: what it says is compared too.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from node0.documents.json_document import read_object
from node0.errors import BadCheckpoint
from node0.files import sha256_of, write_atomically
from node0.model_files import MANIFEST, model_files

_DIGEST = "digest"


class Artefact(BaseModel):
    """One file of a model."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: str = Field(min_length=1, max_length=512)
    "Below the model's directory, with forward slashes."

    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    size: int = Field(ge=0)
    "Bytes."


def artefacts_of(directory: Path) -> list[Artefact]:
    """The files of the model in `directory`, by path, with what they hold now."""
    return [
        Artefact(
            path=path.as_posix(),
            sha256=sha256_of(directory / path),
            size=(directory / path).stat().st_size,
        )
        for path in model_files(directory)
    ]


def write_manifest(directory: Path, facts: Mapping[str, Any]) -> None:
    """Write `MANIFEST.json`: `facts`, and size and sha256 of every other file of the model. Unsigned."""
    files = {
        file.path: {"sha256": file.sha256, "size": file.size}
        for file in artefacts_of(directory)
        if file.path != MANIFEST
    }
    content = {"format": 1, **facts, "files": files}
    content[_DIGEST] = _digest_of(content)
    write_atomically(directory / MANIFEST, json.dumps(content, indent=1, sort_keys=False) + "\n")


def read_manifest(directory: Path) -> dict[str, Any]:
    """`MANIFEST.json` of a finished run; nothing is compared with it.

    Raises:
        BadCheckpoint: there is none, it cannot be read, or it is not as it was written.
    """
    path = directory / MANIFEST
    try:
        manifest = read_object(path)
        listed(manifest)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise BadCheckpoint(
            f"{path} cannot be read, or the run has not finished; finish the run or restore the file"
        ) from None
    if manifest.pop(_DIGEST, None) != _digest_of(manifest):
        raise BadCheckpoint(f"{path} is not as it was written; restore the file, or train again")
    return manifest


def listed(manifest: Mapping[str, Any]) -> list[Artefact]:
    """The files that a manifest names."""
    return [
        Artefact(path=path, sha256=file["sha256"], size=file["size"])
        for path, file in manifest["files"].items()
    ]


def verify_manifest(directory: Path) -> dict[str, Any]:
    """The manifest, after a look at every file that it names.

    Raises:
        BadCheckpoint: there is none, or a file is missing or another.
    """
    manifest = read_manifest(directory)
    check(directory, listed(manifest))
    return manifest


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


def _digest_of(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def _problem(path: Path, artefact: Artefact) -> str | None:
    if not path.is_file():
        return f"{artefact.path} is missing"
    if path.stat().st_size != artefact.size:
        return f"{artefact.path} has {path.stat().st_size} bytes, not {artefact.size}"
    if sha256_of(path) != artefact.sha256:
        return f"{artefact.path} does not have the recorded sha256"
    return None
