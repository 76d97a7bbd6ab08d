# SPDX-License-Identifier: Apache-2.0
from node0.finetune.manifest import Artefact
from node0.finetune.registry.comparison import Difference, differences
from node0.finetune.registry.schema import ModelRegistryEntry

FIRST = ModelRegistryEntry(
    name="deacon",
    role="deacon",
    version=1,
    artifact_path="/a",
    corpus_hash="a" * 64,
    training_config={"lr": 1e-3, "lora": {"rank": 4}},
    eval_score=0.5,
    artefacts=[Artefact(path="w.safetensors", sha256="1" * 64, size=1)],
)


def test_a_version_does_not_differ_from_itself_nor_by_number_place_or_time() -> None:
    moved = FIRST.model_copy(update={"version": 2, "artifact_path": "/b", "created_at": "2026"})

    assert list(differences(FIRST, FIRST)) == list(differences(FIRST, moved)) == []


def test_lineage_settings_scores_and_files_come_in_that_order() -> None:
    second = FIRST.model_copy(
        update={
            "corpus_hash": "b" * 64,
            "parent": "deacon:1",
            "training_config": {"lr": 1e-3, "lora": {"rank": 8}, "steps": 3},
            "eval_score": 0.75,
            "eval_scores_by_category": {"loss": 2.0},
            "artefacts": [Artefact(path="x.safetensors", sha256="2" * 64, size=1)],
        }
    )

    assert list(differences(FIRST, second)) == [
        Difference("corpus_hash", "a" * 64, "b" * 64),
        Difference("parent", None, "deacon:1"),
        Difference("settings.lora.rank", 4, 8),
        Difference("settings.steps", None, 3),
        Difference("eval.loss", None, 2.0),
        Difference("eval.score", 0.5, 0.75),
        Difference("file w.safetensors", "1" * 12, None),
        Difference("file x.safetensors", None, "2" * 12),
    ]
