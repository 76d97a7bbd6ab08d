# SPDX-License-Identifier: Apache-2.0
"""Whether a version is still what was registered: its row by signature, its files by digest.

Every loader, deployment and export asks here before it reads a byte of the model.
"""

from collections.abc import Collection
from pathlib import Path
from typing import Any

from node0.errors import BadSignature
from node0.finetune import manifest
from node0.finetune.registry.schema import ModelRegistryEntry
from node0.finetune.registry.signatures.signing import is_signed

MOVES = {"eval_score", "eval_scores_by_category", "deployment_status", "deployed_to", "signer", "signature"}
"Fields of a row that change, or that are the signature itself."


def facts_of(entry: ModelRegistryEntry) -> dict[str, Any]:
    """What is signed of a version: everything that never changes."""
    return entry.model_dump(mode="json", exclude=MOVES) | {"content_digest": entry.content_digest}


def row_problems(entry: ModelRegistryEntry, *, stored_digest: str, trusted: Collection[str]) -> list[str]:
    """What is wrong with the row, a line each."""
    if not entry.signature:
        return [f"{entry.spelled} is not signed; look at it, then sign it with: gt-model verify --sign"]
    if entry.signer not in trusted:
        return [f"{entry.spelled} is signed by {entry.signer[:16]}, whom this town does not trust"]
    facts = facts_of(entry)
    if not is_signed(facts, signer=entry.signer, signature=entry.signature, trusted=trusted):
        return [
            f"the registry's row of {entry.spelled}, or the list of its files, is not the one that was signed"
        ]
    if stored_digest != entry.content_digest:
        return [f"the digest of {entry.spelled} is not that of the files it lists"]
    return []


def refuse_unsignable(entry: ModelRegistryEntry, *, stored_digest: str, trusted: Collection[str]) -> None:
    """Refuse to sign a row that is known to have changed: that would make the change good.

    Raises:
        BadSignature: a signature that counts is not over this row, or its digest is not over these files.
    """
    is_kept = entry.signer in trusted and entry.signature
    if is_kept and (found := row_problems(entry, stored_digest=stored_digest, trusted=trusted)):
        reason = found[0]
    elif stored_digest != entry.content_digest:
        reason = f"the digest of {entry.spelled} is not that of the files it lists"
    else:
        return
    raise BadSignature(f"{reason}; restore the store, or register the files again")


def file_problems(entry: ModelRegistryEntry) -> list[str]:
    """What is wrong with the files, a line each. A version without any is none."""
    if not entry.artefacts:
        return [f"the registry lists no files of {entry.spelled}"]
    return manifest.problems(Path(entry.artifact_path), entry.artefacts)
