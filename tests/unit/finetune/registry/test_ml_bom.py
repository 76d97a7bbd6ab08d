# SPDX-License-Identifier: Apache-2.0
import json

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from node0.finetune.manifest import Artefact
from node0.finetune.registry.evaluations import Evaluation
from node0.finetune.registry.ml_bom import ml_bom
from node0.finetune.registry.schema import ModelRegistryEntry

ENTRY = ModelRegistryEntry(
    name="deacon",
    role="deacon",
    version=2,
    base_model="/bases/small",
    base_digest="b" * 64,
    corpus_hash="c" * 64,
    entries_sha256="e" * 64,
    created_at="2026-11-25T10:00:00+00:00",
    artifact_path="/models/x",
    lora_adapters=["."],
    parent="deacon:1",
    artefacts=[Artefact(path="adapter_model.safetensors", sha256="a" * 64, size=3)],
)
BARE = ModelRegistryEntry(
    name="deacon", role="deacon", version=1, artifact_path="/x", created_at="2026-11-25T10:00:00+00:00"
)
LOSS = Evaluation(suite="loss", items=3, score=1 / 3)
SCORE = Evaluation(suite="held-out", items=40, score=0.9, low=0.8, high=0.95)


def test_it_names_model_base_corpus_files_and_scores() -> None:
    found = ml_bom(ENTRY, [SCORE])

    model = found["metadata"]["component"]
    assert (model["name"], model["version"]) == ("deacon", "2")
    assert model["components"][0]["hashes"] == [{"alg": "SHA-256", "content": "a" * 64}]
    assert [one["name"] for one in found["components"]] == ["small", "corpus of deacon"]
    assert found["components"][0]["hashes"][0]["content"] == "b" * 64
    (metric,) = model["modelCard"]["quantitativeAnalysis"]["performanceMetrics"]
    assert metric["confidenceInterval"] == {"lowerBound": "0.8", "upperBound": "0.95"}
    assert {"name": "node0:parent", "value": "deacon:1"} in model["properties"]


def test_every_reference_leads_to_a_component() -> None:
    found = ml_bom(ENTRY, [SCORE])

    references = {one["bom-ref"] for one in [found["metadata"]["component"], *found["components"]]}
    (dependency,) = found["dependencies"]
    assert {dependency["ref"], *dependency["dependsOn"]} == references


@pytest.mark.parametrize("entry", [ENTRY, BARE], ids=["whole", "bare"])
@pytest.mark.parametrize("scores", [[], [SCORE], [SCORE, LOSS]], ids=["no score", "score", "two scores"])
def test_it_is_cyclonedx_1_6_by_its_schema(entry: ModelRegistryEntry, scores: list[Evaluation]) -> None:
    found = JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(ml_bom(entry, scores)))

    assert found is None, found


def test_the_schema_refuses_what_is_none() -> None:
    bom = ml_bom(ENTRY, [SCORE])
    bom["metadata"]["component"]["modelCard"]["performance"] = 1

    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(bom)) is not None


def test_the_same_version_gives_the_same_document() -> None:
    again = json.dumps(ml_bom(ENTRY, [SCORE]))

    assert json.dumps(ml_bom(ENTRY, [SCORE])) == again
    assert ml_bom(ENTRY.model_copy(update={"version": 3}), [])["serialNumber"] not in again


def test_a_model_that_says_nothing_of_where_it_comes_from_has_no_parts() -> None:
    assert ml_bom(BARE, [])["components"] == []
