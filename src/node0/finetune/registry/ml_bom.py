# SPDX-License-Identifier: Apache-2.0
"""The bill of materials of a version, in CycloneDX 1.6 (ECMA-424): model, base, data, scores."""

import uuid
from collections.abc import Sequence
from typing import Any

from node0.finetune.registry.evaluations import Evaluation
from node0.finetune.registry.schema import ModelRegistryEntry

_SPACE = uuid.UUID("a9f6e3bc-4f52-5d6b-9f0a-2f3a3e0c8c11")
"Namespace of serial numbers: the same version always has the same one."


def ml_bom(entry: ModelRegistryEntry, evaluations: Sequence[Evaluation]) -> dict[str, Any]:
    """A document for `json.dump`; the same version and measurements give the same one."""
    base = _base(entry)
    data = _corpus(entry)
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(_SPACE, entry.spelled + entry.content_digest)}",
        "version": 1,
        "metadata": {"timestamp": entry.created_at, "component": _model(entry, evaluations)},
        "components": [*base, *data],
        "dependencies": [
            {"ref": entry.spelled, "dependsOn": [one["bom-ref"] for one in (*base, *data)]},
        ],
    }


def _model(entry: ModelRegistryEntry, evaluations: Sequence[Evaluation]) -> dict[str, Any]:
    kind = "LoRA adapter" if entry.lora_adapters else "whole weights"
    return {
        "type": "machine-learning-model",
        "bom-ref": entry.spelled,
        "name": entry.name,
        "version": str(entry.version),
        "description": f"{kind} for the role {entry.role} of a Gas Town",
        "hashes": [{"alg": "SHA-256", "content": entry.content_digest}],
        "components": [
            {
                "type": "file",
                "bom-ref": f"{entry.spelled}/{file.path}",
                "name": file.path,
                "hashes": [{"alg": "SHA-256", "content": file.sha256}],
            }
            for file in entry.artefacts
        ],
        "modelCard": {
            "modelParameters": {
                "task": "text-generation",
                "datasets": [{"ref": one["bom-ref"]} for one in _corpus(entry)],
            },
            "quantitativeAnalysis": {"performanceMetrics": [_metric(one) for one in evaluations]},
        },
        "properties": [
            {"name": f"node0:{name}", "value": value}
            for name in ("parent", "code_version", "scrub_version", "signer", "signature")
            if (value := getattr(entry, name))
        ],
    }


def _base(entry: ModelRegistryEntry) -> list[dict[str, Any]]:
    if not entry.base_model:
        return []
    found: dict[str, Any] = {
        "type": "machine-learning-model",
        "bom-ref": f"base/{entry.base_digest or entry.base_model}",
        "name": entry.base_model.rstrip("/").rpartition("/")[2],
    }
    return [found | _hashes(entry.base_digest)]


def _corpus(entry: ModelRegistryEntry) -> list[dict[str, Any]]:
    if not entry.corpus_hash and not entry.entries_sha256:
        return []
    reference = f"corpus/{entry.entries_sha256 or entry.corpus_hash}"
    found: dict[str, Any] = {"type": "data", "bom-ref": reference, "name": f"corpus of {entry.role}"}
    return [
        found | _hashes(entry.entries_sha256) | {"data": [{"type": "dataset", "name": "sessions of a town"}]}
    ]


def _hashes(digest: str) -> dict[str, Any]:
    return {"hashes": [{"alg": "SHA-256", "content": digest}]} if len(digest) == 64 else {}


def _metric(one: Evaluation) -> dict[str, Any]:
    found: dict[str, Any] = {"type": one.suite, "value": f"{one.score:.6g}", "slice": f"{one.items} items"}
    if one.low is not None and one.high is not None:
        bounds = {"lowerBound": f"{one.low:.6g}", "upperBound": f"{one.high:.6g}"}
        found["confidenceInterval"] = bounds
    return found
