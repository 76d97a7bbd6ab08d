# SPDX-License-Identifier: Apache-2.0
import pytest
from pydantic import ValidationError

from node0.errors import ConfigError
from node0.finetune.manifest import Artefact
from node0.finetune.registry.schema import DeploymentStatus, ModelName, ModelRegistryEntry

FILES = [Artefact(path=name, sha256=digit * 64, size=1) for name, digit in (("b", "1"), ("a", "2"))]


def entry(**changes: object) -> ModelRegistryEntry:
    return ModelRegistryEntry.model_validate(
        {"name": "dm", "role": "deacon", "artifact_path": "/m", **changes}
    )


def test_the_content_digest_depends_on_paths_and_bytes_and_not_on_their_order() -> None:
    digest = entry(artefacts=FILES).content_digest

    assert digest == entry(artefacts=FILES[::-1], name="other", version=7).content_digest
    assert digest != entry(artefacts=FILES[:1]).content_digest
    assert digest != entry(artefacts=[FILES[0], FILES[1].model_copy(update={"path": "c"})]).content_digest


def test_a_new_version_is_registered_and_deployed_nowhere() -> None:
    assert entry(version=3).spelled == "dm:3"
    assert entry().deployment_status is DeploymentStatus.REGISTERED
    assert entry().deployed_to == []


@pytest.mark.parametrize(
    "change", [{"name": "../x"}, {"name": ""}, {"role": "Deacon"}, {"version": -1}, {"more": 1}]
)
def test_what_no_version_can_have_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        entry(**change)


def test_a_name_means_the_newest_version_unless_it_says_which() -> None:
    assert ModelName.parse("dm") == ModelName("dm", None)
    assert ModelName.parse("dm:12") == ModelName("dm", 12)


@pytest.mark.parametrize("text", ["dm:0", "dm:", "dm:x", "dm:-1", "dm:1.5"])
def test_a_version_is_a_positive_whole_number(text: str) -> None:
    with pytest.raises(ConfigError, match=r"is not 1, 2, \.\.\."):
        ModelName.parse(text)
