# SPDX-License-Identifier: Apache-2.0
import io
import sys
from pathlib import Path

import pytest
from tiny_chat import tiny_tokenizer

from node0.commands.infer.answer_prompts import ModelChoice, answer_prompts
from node0.errors import ConfigError, NotFound
from node0.finetune.inference.prompt_api import Answering
from node0.models.base_model import export_base
from node0.models.factory import build_stages
from node0.models.llama.arguments import LlamaArguments

Printed = pytest.CaptureFixture[str]
GREEDY = Answering(max_tokens=4, temperature=0.0)


@pytest.fixture
def choice(tmp_path: Path) -> ModelChoice:
    shape = {"hidden_dim": 16, "n_heads": 2, "num_hidden_layers": 1, "vocab_size": 272, "ffn_dim": 16}
    args = LlamaArguments.model_validate(shape | {"max_seq_len": 32, "init_std": 0.5})
    export_base(build_stages(args, seed=1), tmp_path / "base")
    tiny_tokenizer().save_pretrained(tmp_path / "base")
    return ModelChoice(str(tmp_path / "base"), device="cpu")


def _stdin(monkeypatch: pytest.MonkeyPatch, text: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text)))


def test_bytes_that_are_no_utf8_are_a_prompt_like_any_other(
    choice: ModelChoice, monkeypatch: pytest.MonkeyPatch, capsys: Printed
) -> None:
    _stdin(monkeypatch, b"\xff\n")

    assert answer_prompts(choice, GREEDY, file=None, raw=True) == 0

    assert capsys.readouterr().out.endswith("\n")


def test_a_file_is_one_prompt_and_an_empty_one_is_none(
    choice: ModelChoice, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Printed
) -> None:
    _stdin(monkeypatch, b"")
    (tmp_path / "prompt").write_text("a\nb\n")
    (tmp_path / "empty").write_text(" \n")

    assert answer_prompts(choice, GREEDY, file=str(tmp_path / "prompt"), raw=True) == 0
    one = capsys.readouterr().out
    assert answer_prompts(choice, GREEDY, file=str(tmp_path / "empty"), raw=True) == 0

    assert one
    assert capsys.readouterr().out == ""


def test_what_cannot_be_is_refused_before_a_model_is_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _stdin(monkeypatch, b"hi\n")
    (tmp_path / "latin").write_bytes(b"\xe9")
    nobody = ModelChoice("./nobody")

    with pytest.raises(ConfigError, match="top_p"):
        answer_prompts(nobody, Answering(top_p=1.5), file=None, raw=False)
    with pytest.raises(NotFound, match="not UTF-8 text; check the path"):
        answer_prompts(nobody, GREEDY, file=str(tmp_path / "latin"), raw=False)
