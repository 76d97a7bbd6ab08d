# SPDX-License-Identifier: Apache-2.0
"""Rows of the registry's tables."""

from typing import Any


def row(name: str = "dm", version: int = 1, **changes: Any) -> dict[str, Any]:
    """A version as the store keeps it."""
    texts = dict.fromkeys(
        (
            *("base_model", "base_digest", "corpus_hash", "entries_sha256", "content_digest", "created_at"),
            *("parent", "code_version", "scrub_version", "signer", "signature"),
        ),
        "",
    )
    return {
        **texts,
        "name": name,
        "version": version,
        "role": "deacon",
        "eval_score": None,
        "eval_scores_by_category": {},
        "lora_adapters": ["."],
        "deployment_status": "registered",
        "deployed_to": [],
        "training_config": {"lora": {"rank": 4}},
        "artifact_path": "/models/dm",
        **changes,
    }
