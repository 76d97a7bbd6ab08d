# SPDX-License-Identifier: Apache-2.0
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tiny_export import FAMILIES, base_directory, byte_tokenizer

from node0.errors import ExportFailed
from node0.finetune.checkpoint.gguf import model_file
from node0.finetune.checkpoint.gguf.model_file import write_model
from node0.finetune.checkpoint.gguf.numbers import FORMATS
from node0.finetune.checkpoint.gguf.read_tokenizer import plain_ids, read_vocabulary
from node0.finetune.checkpoint.gguf.smoke import (
    LogitError,
    RenderedPrompt,
    check_model,
    compare_logits,
    layerwise_logits,
    refuse_beyond,
)
from node0.finetune.checkpoint.gguf.vocabulary import Vocabulary
from node0.finetune.checkpoint.merged_weights import MergedWeights
from node0.models.factory import load_stages

TOKENIZER = byte_tokenizer()
VOCABULARY = read_vocabulary(TOKENIZER, 448)
TEXT = "<|im_start|>user\nthere are 12345 foxes<|im_end|>\n"
PROMPT = RenderedPrompt(TEXT, plain_ids(TOKENIZER, TEXT))
Written = Callable[..., tuple[Path, MergedWeights]]


@pytest.fixture
def written(tmp_path: Path) -> Written:
    def write(family: str = "llama", numbers: str = "f32", vocabulary: Vocabulary = VOCABULARY):  # type: ignore[no-untyped-def]  # said by Written
        weights = MergedWeights(base_directory(tmp_path / "base", family))
        write_model(tmp_path / "a.gguf", weights, vocabulary, numbers=FORMATS[numbers], name="a")
        return tmp_path / "a.gguf", weights

    return write


@pytest.mark.parametrize("family", FAMILIES)
def test_logits_of_an_f32_file_are_the_sources_own(written: Written, family: str) -> None:
    path, weights = written(family)

    found = check_model(path, weights, vocabulary=VOCABULARY, prompts=[PROMPT], bound=0.0)

    assert found == LogitError(0.0, 0.0)


@pytest.mark.parametrize("numbers", ["f16", "bf16", "q8_0"])
def test_narrower_files_differ_within_their_bound(written: Written, numbers: str) -> None:
    path, weights = written(numbers=numbers)

    found = check_model(path, weights, vocabulary=VOCABULARY, prompts=[PROMPT], bound=FORMATS[numbers].bound)

    assert 0 < found.share <= FORMATS[numbers].bound


def test_layer_by_layer_gives_the_logits_of_the_whole(tmp_path: Path) -> None:
    base = base_directory(tmp_path / "base", "qwen3")
    ids = torch.tensor([PROMPT.ids])
    (stage,) = load_stages(base)

    with torch.no_grad():
        whole = stage(ids)

    assert torch.equal(layerwise_logits(base.args, MergedWeights(base).read, ids), whole)


def test_rows_that_were_not_interleaved_are_found_out(
    written: Written, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_file, "to_gguf_rows", lambda name, value, args: value)
    path, weights = written()

    with pytest.raises(ExportFailed, match=r"a.gguf: logits differ .* of their spread where 50.0% is right"):
        check_model(path, weights, vocabulary=VOCABULARY, prompts=[PROMPT], bound=0.5)


def test_another_tokenizer_in_the_file_is_found_out(written: Written) -> None:
    path, weights = written(vocabulary=replace(VOCABULARY, merges=VOCABULARY.merges[1:]))

    with pytest.raises(ExportFailed, match=r"a.gguf: the tokenizer's merges differ"):
        check_model(path, weights, vocabulary=VOCABULARY, prompts=[PROMPT], bound=0.0)


def test_a_rule_that_makes_other_ids_of_a_prompt_is_found_out(written: Written) -> None:
    other = replace(VOCABULARY, pre="qwen2")
    path, weights = written(vocabulary=other)

    with pytest.raises(ExportFailed, match=r"rule 'qwen2' makes other ids than the tokenizer of '.*12.*'"):
        check_model(path, weights, vocabulary=other, prompts=[PROMPT], bound=0.0)


def test_a_field_of_another_model_is_found_out(written: Written) -> None:
    path, weights = written()
    weights.args = weights.args.model_copy(update={"rope_theta": 5.0})

    with pytest.raises(ExportFailed, match=r"a.gguf: llama.rope.freq_base is 10000.0, not 5.0"):
        check_model(path, weights, vocabulary=VOCABULARY, prompts=[PROMPT], bound=0.0)


def test_the_error_is_a_share_of_the_spread(tmp_path: Path) -> None:
    base = base_directory(tmp_path / "base")
    read = MergedWeights(base).read
    ids = torch.tensor([PROMPT.ids])

    found = compare_logits(
        base.args, read, lambda name, shape: read(name, shape) * (1.1 if name == "output.weight" else 1), ids
    )

    assert found.share == pytest.approx(0.1, rel=0.1)


def test_the_bound_zero_asks_for_equal_logits() -> None:
    refuse_beyond(0.0, LogitError(0.0, 0.0), Path("a"))
    refuse_beyond(0.1, LogitError(9.0, 0.1), Path("a"))

    with pytest.raises(ExportFailed):
        refuse_beyond(0.0, LogitError(1e-30, 0.0), Path("a"))
