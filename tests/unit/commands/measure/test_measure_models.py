# SPDX-License-Identifier: Apache-2.0
import json
from pathlib import Path

import pytest
import yaml
from tiny_chat import tiny_tokenizer

from node0.commands.measure import measure_models as work
from node0.commands.measure.measure_models import MeasureRequest, measure_models
from node0.errors import NotFound
from node0.finetune.corpus.schema import CorpusEntry
from node0.finetune.corpus.store import CorpusStore
from node0.finetune.run_dir import EntryUse, RunDirectory
from node0.models.base_model import export_base
from node0.models.factory import build_stages
from node0.models.llama.arguments import LlamaArguments


@pytest.fixture
def base(tmp_path: Path) -> str:
    shape = {"hidden_dim": 16, "n_heads": 2, "num_hidden_layers": 1, "vocab_size": 272, "ffn_dim": 16}
    args = LlamaArguments.model_validate(shape | {"max_seq_len": 1024})
    export_base(build_stages(args, seed=1), tmp_path / "base")
    tiny_tokenizer().save_pretrained(tmp_path / "base")
    return str(tmp_path / "base")


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run that held one entry of two out."""
    facts = {"role": "deacon", "rig": "hq", "task_type": "patrol", "outcome": "success"}
    turns = [{"role": "user", "content": "go"}, {"role": "assistant", "content": "gone"}]
    for name in ("a", "b"):
        entry = {"id": name, "created_at": "2026-01-05T00:00:00Z", "messages": turns}
        CorpusStore(tmp_path / ".corpus").add(CorpusEntry.model_validate(facts | entry))
    directory = RunDirectory(tmp_path / "run")
    directory.make()
    directory.write_entries([EntryUse("a", "d", "1", "train"), EntryUse("b", "d", "1", "val")], {})
    settings = {"role": "deacon", "corpus_path": str(tmp_path / ".corpus")}
    directory.config_file.write_text(yaml.safe_dump(settings))
    return directory.root


def test_each_model_has_a_row_of_the_same_entries(
    base: str, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    measure_models([base, base], MeasureRequest(run, device="cpu"), as_json=True)

    one, two = json.loads(capsys.readouterr().out)
    assert one == two
    assert (one["entries"], one["turns"]) == (1, 0)
    assert one["loss"] > 0 and one["answer_tokens"] > 1


def test_a_corpus_that_is_named_is_taken_instead_of_the_runs(base: str, run: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()

    with pytest.raises(NotFound, match="give the corpus it was trained on with --corpus-path"):
        measure_models([base], MeasureRequest(run, corpus_path=tmp_path / "other"), as_json=True)


def test_a_model_that_there_is_not_is_said_before_any_is_measured(
    base: str, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured: list[object] = []
    monkeypatch.setattr(work, "measure_model", lambda *_, **__: measured.append(1))

    with pytest.raises(NotFound, match="nowhere"):
        measure_models([base, f"{base}/nowhere"], MeasureRequest(run, device="cpu"), as_json=True)

    assert not measured
