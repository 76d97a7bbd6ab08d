# SPDX-License-Identifier: Apache-2.0
"""Digests of the files of a directory, written into it last and compared before any of them is used.

`digests.json` holds `{"files": {PATH: {"sha256": HEX, "size": BYTES}}}`, paths relative and sorted. It
tells what has changed by a fault; it is not signed, so it does not tell who wrote it.
"""

import json
from pathlib import Path

from node0.documents.json_document import read_object
from node0.files import sha256_of, write_atomically

DIGESTS = "digests.json"


def write_digests(directory: Path) -> None:
    """List every file below a directory. To be called when all of them are written."""
    files = {
        name: {"sha256": sha256_of(directory / name), "size": (directory / name).stat().st_size}
        for name in _files(directory)
    }
    write_atomically(directory / DIGESTS, json.dumps({"files": files}, indent=1) + "\n")


def damage(directory: Path) -> str | None:
    """What is no longer as it was written, as a part of a sentence; None where all of it is."""
    try:
        listed = read_object(directory / DIGESTS)["files"]
        present = _files(directory)
        if sorted(listed) != present:
            first = min({*listed} ^ {*present})
            return f"{first} is {'missing' if first in listed else 'not listed'}"
        changed = (name for name in present if _differs(directory / name, listed[name]))
        name = next(changed, None)
    except FileNotFoundError as error:
        return f"{Path(error.filename or DIGESTS).name} is missing"
    except (OSError, ValueError, KeyError, TypeError) as error:
        return f"{DIGESTS} cannot be read ({error})"
    return None if name is None else f"{name} is not as it was written"


def _files(directory: Path) -> list[str]:
    found = (path for path in directory.rglob("*") if not path.is_dir())
    return sorted(path.relative_to(directory).as_posix() for path in found if path != directory / DIGESTS)


def _differs(path: Path, listed: dict[str, object]) -> bool:
    return path.stat().st_size != listed["size"] or sha256_of(path) != listed["sha256"]
