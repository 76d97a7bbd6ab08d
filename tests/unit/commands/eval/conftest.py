# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest
import yaml
from tiny_chat import tiny_tokenizer

from node0.finetune.corpus.schema import CorpusEntry
from node0.finetune.corpus.store import CorpusStore
from node0.finetune.registry.publish import publish
from node0.finetune.registry.store import ModelRegistry
from node0.finetune.run_dir import EntryUse, RunDirectory
from node0.models.base_model import export_base
from node0.models.factory import build_stages
from node0.models.llama.arguments import LlamaArguments
from node0.town import Town

SUITE = """
prompts: ["{{ask}}"]
tests:
  - {vars: {ask: [hello there, good day]}, assert: [{type: not-contains, value: zzz}]}
  - {vars: {ask: say bd}, assert: [{type: equals, value: bd list}]}
"""


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    """Two items that almost any words pass, and one that chance does not."""
    path = tmp_path / "patrol.yaml"
    path.write_text(SUITE)
    return path


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A base with random weights."""
    shape = {"hidden_dim": 16, "n_heads": 2, "num_hidden_layers": 1, "vocab_size": 272, "ffn_dim": 16}
    place = tmp_path_factory.mktemp("base")
    export_base(build_stages(LlamaArguments.model_validate(shape | {"max_seq_len": 256}), seed=1), place)
    tiny_tokenizer().save_pretrained(place)
    return str(place)


@pytest.fixture
def registry(base: str, town_root: Path) -> ModelRegistry:
    """A town where the base is dm:1."""
    registry = ModelRegistry(Town(town_root))
    publish(registry, Path(base), name="dm", role="deacon", models=Town(town_root).models)
    return registry


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run that held one session with one call out."""
    call = {"type": "tool_use", "id": "1", "name": "Bash", "input": {"command": "bd list"}}
    turns = [{"role": "user", "content": "go"}, {"role": "assistant", "content": [call]}]
    facts = {"role": "deacon", "rig": "hq", "task_type": "patrol", "outcome": "success"}
    entry = {"id": "a", "created_at": "2026-01-05T00:00:00Z", "messages": turns}
    CorpusStore(tmp_path / ".corpus").add(CorpusEntry.model_validate(facts | entry))
    directory = RunDirectory(tmp_path / "run")
    directory.make()
    directory.write_entries([EntryUse("a", "d", "1", "val")], {})
    settings = {"role": "deacon", "corpus_path": str(tmp_path / ".corpus")}
    directory.config_file.write_text(yaml.safe_dump(settings))
    return directory.root
