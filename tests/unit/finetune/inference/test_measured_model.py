# SPDX-License-Identifier: Apache-2.0
import math
from dataclasses import replace
from pathlib import Path

import pytest
from tiny_chat import tiny_tokenizer

from node0.errors import BadCorpus, NotFound
from node0.finetune.chat.messages import Request
from node0.finetune.corpus.schema import CorpusEntry
from node0.finetune.inference.loading import LoadedModel, load_model
from node0.finetune.inference.measured_model import MeasuredModel
from node0.models.base_model import export_base
from node0.models.factory import build_stages
from node0.models.llama.arguments import LlamaArguments

ASKED: Request = {"system": "", "tools": [], "messages": [{"role": "user", "content": "go"}]}


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    """A model with random weights, which finds every token about as likely."""
    shape = {"hidden_dim": 16, "n_heads": 2, "num_hidden_layers": 1, "vocab_size": 272, "ffn_dim": 16}
    place = tmp_path_factory.mktemp("base")
    export_base(build_stages(LlamaArguments.model_validate(shape | {"max_seq_len": 1024}), seed=1), place)
    tiny_tokenizer().save_pretrained(place)
    return load_model(str(place), role="deacon", device="cpu", dtype="float32")


def _entry(name: str, *turns: str) -> CorpusEntry:
    roles = ("user", "assistant")
    return CorpusEntry(
        id=name,
        role="deacon",
        rig="hq",
        task_type="patrol",
        outcome="failure",
        created_at="2026-01-05T00:00:00Z",
        messages=[{"role": roles[number % 2], "content": text} for number, text in enumerate(turns)],
    )


def test_the_loss_is_over_the_tokens_of_answers_whatever_the_outcome_was(loaded: LoadedModel) -> None:
    model = MeasuredModel(loaded)

    short = model.answer_loss([_entry("a", "go", "gone")])
    both = model.answer_loss([_entry("a", "go", "gone"), _entry("b", "go on and on", "gone")])

    assert short[0] == pytest.approx(math.log(272), rel=0.1)
    assert both[1] == 2 * short[1] > 2
    assert (short[2], both[2]) == (1, 2)


def test_entries_without_an_answer_have_no_loss(loaded: LoadedModel) -> None:
    with pytest.raises(BadCorpus, match="hold no answer"):
        MeasuredModel(loaded).answer_loss([_entry("a", "go")])


def test_the_answer_is_the_same_each_time_and_none_where_the_request_does_not_fit(
    loaded: LoadedModel,
) -> None:
    model = MeasuredModel(loaded)
    long: Request = {**ASKED, "messages": [{"role": "user", "content": "go " * 500}]}

    first = model.answer(ASKED, max_tokens=8)

    assert first == model.answer(ASKED, max_tokens=8)
    assert model.answer(long, max_tokens=8) == []


def test_a_model_without_a_tokenizer_cannot_be_measured(loaded: LoadedModel) -> None:
    with pytest.raises(NotFound, match=r"has no tokenizer; put its tokenizer\.json beside the weights"):
        MeasuredModel(replace(loaded, tokenizer=None, renderer=None))


def test_a_message_is_reduced_as_the_profile_of_the_role_says(loaded: LoadedModel, tmp_path: Path) -> None:
    message = {"role": "assistant", "content": [{"type": "thinking", "thinking": "hm", "signature": "s"}]}
    model = MeasuredModel(loaded)

    assert model.name == loaded.name
    assert model.reduce(message) != message  # type: ignore[arg-type]  # a message as JSON
