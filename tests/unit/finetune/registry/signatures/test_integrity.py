# SPDX-License-Identifier: Apache-2.0
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from node0.finetune.manifest import Artefact, artefacts_of
from node0.finetune.registry.schema import ModelRegistryEntry
from node0.finetune.registry.signatures.integrity import facts_of, file_problems, row_problems
from node0.finetune.registry.signatures.signing import Signer
from node0.finetune.registry.states import DeploymentStatus

SIGNER = Signer(Ed25519PrivateKey.from_private_bytes(bytes(range(32))))


def _signed(directory: Path) -> ModelRegistryEntry:
    (directory / "adapter_model.safetensors").write_bytes(b"weights")
    (directory / "adapter_config.json").write_text("{}")
    entry = ModelRegistryEntry(
        name="deacon",
        role="deacon",
        version=3,
        artifact_path=str(directory),
        artefacts=artefacts_of(directory),
        training_config={"lr": 1e-3, "steps": 4},
    )
    return entry.model_copy(update={"signer": SIGNER.public, "signature": SIGNER.sign(facts_of(entry))})


def _problems(entry: ModelRegistryEntry, *, digest: str | None = None) -> list[str]:
    stored = entry.content_digest if digest is None else digest
    return row_problems(entry, stored_digest=stored, trusted={SIGNER.public})


def test_what_was_signed_is_in_order_and_stays_so_when_it_is_evaluated_and_deployed(tmp_path: Path) -> None:
    entry = _signed(tmp_path)
    later = entry.model_copy(
        update={"eval_score": 0.5, "deployment_status": DeploymentStatus.ACTIVE, "deployed_to": ["*"]}
    )

    assert _problems(entry) == _problems(later) == file_problems(entry) == []


@pytest.mark.parametrize(
    "change",
    [
        {"role": "witness"},
        {"version": 4},
        {"base_digest": "d" * 64},
        {"training_config": {"lr": 1e-3, "steps": 5}},
        {"parent": "deacon:1"},
        {"artefacts": []},
        {"artefacts": [Artefact(path="adapter_model.safetensors", sha256="0" * 64, size=7)]},
        {"signature": "00" * 64},
    ],
)
def test_a_row_that_was_changed_is_not_the_one_that_was_signed(
    tmp_path: Path, change: dict[str, Any]
) -> None:
    (line,) = _problems(_signed(tmp_path).model_copy(update=change))

    assert "is not the one that was signed" in line


def test_an_unsigned_row_and_one_by_a_stranger_are_told_apart(tmp_path: Path) -> None:
    entry = _signed(tmp_path)

    assert "deacon:3 is not signed" in _problems(entry.model_copy(update={"signature": ""}))[0]
    (line,) = row_problems(entry, stored_digest=entry.content_digest, trusted=set())
    assert SIGNER.public[:16] in line
    assert "does not trust" in line


def test_the_digest_beside_the_row_must_be_that_of_its_files(tmp_path: Path) -> None:
    assert "digest of deacon:3" in _problems(_signed(tmp_path), digest="0" * 64)[0]


def test_each_file_that_differs_is_named(tmp_path: Path) -> None:
    entry = _signed(tmp_path)
    (tmp_path / "adapter_model.safetensors").write_bytes(b"weightz")
    (tmp_path / "adapter_config.json").unlink()

    first, second = file_problems(entry)

    assert "adapter_config.json is missing" in first
    assert "adapter_model.safetensors does not have the recorded sha256" in second
