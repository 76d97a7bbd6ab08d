# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest
from deploy_town import deployer, registry, town
from tiny_chat import tiny_tokenizer

from node0.commands.model.prime_text import text_for
from node0.finetune.deploy.deployer import Deployer
from node0.finetune.deploy.endpoint import Endpoint
from node0.finetune.gastown.short_prime import MAX_TOKENS
from node0.finetune.rag.indexer import RAGIndexer
from node0.finetune.registry.store import ModelRegistry
from node0.town import Town

__all__ = ["deployer", "registry", "town"]

AGENT = "ft-deacon-v1"
FULL = "[GAS TOWN] role:deacon\n# Manual\n" + "long\n" * 1000 + "## Hooked Work\n{}\n## More\nx\n"


@pytest.fixture
def place(registry: ModelRegistry, deployer: Deployer) -> Path:
    """Where the files of the version at work lie."""
    deployer.deploy(deployer.plan("deacon:1", endpoint=Endpoint()))
    return Path(registry.require("deacon:1").artifact_path)


def test_tokens_are_counted_as_the_model_counts_them(town: Town, place: Path) -> None:
    tokenizer = tiny_tokenizer()
    tokenizer.save_pretrained(str(place))
    (place / "profile.yaml").write_text("role: deacon\nmax_prime_chars: 9000\n")

    found = text_for(FULL.format("ä lamp\n" * 1000), AGENT, town)

    count = len(tokenizer.encode(found, add_special_tokens=False))
    assert MAX_TOKENS - 20 < count <= MAX_TOKENS < len(tokenizer.encode(FULL, add_special_tokens=False))


def test_without_a_tokenizer_no_text_is_longer_than_its_tokens_may_be(town: Town, place: Path) -> None:
    (place / "profile.yaml").write_text("role: deacon\nmax_prime_chars: 9000\n")

    found = text_for(FULL.format("ä lamp\n" * 1000), AGENT, town)

    assert MAX_TOKENS - 20 < len(found.encode()) <= MAX_TOKENS


def test_what_the_index_knows_of_the_work_is_inside(town: Town, place: Path) -> None:
    formula = 'formula = "mend-lamp"\ndescription = "Unscrew the crane lamp, then wait."\n'
    RAGIndexer(str(town.rag)).index_formula("mend-lamp.formula.toml", formula)

    found = text_for(FULL.format("hq-a1 mend the crane lamp"), AGENT, town)

    assert "hq-a1 mend the crane lamp" in found and "Unscrew the crane lamp" in found
    assert found.index("hq-a1") < found.index("<retrieved")


def test_another_agent_has_the_prime_of_gt(town: Town, place: Path) -> None:
    assert text_for(FULL, "ft-deacon-v2", town) == FULL
