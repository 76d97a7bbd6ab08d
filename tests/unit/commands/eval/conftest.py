# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest
from tiny_chat import tiny_tokenizer

from node0.models.base_model import export_base
from node0.models.factory import build_stages
from node0.models.llama.arguments import LlamaArguments

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
