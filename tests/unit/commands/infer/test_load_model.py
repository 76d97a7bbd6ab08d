# SPDX-License-Identifier: Apache-2.0
from dataclasses import replace
from pathlib import Path

import pytest
from tiny_run import make_base

from node0.commands.infer.load_model import load_model
from node0.commands.infer.model_choice import ModelChoice
from node0.errors import ConfigError, NotFound
from node0.finetune.inference import loading
from node0.finetune.inference.reply import Answering

GREEDY = Answering(max_tokens=8, temperature=0.0)


@pytest.fixture
def choice(tmp_path: Path) -> ModelChoice:
    return ModelChoice(str(make_base(tmp_path)), device="cpu", dtype="float32")


def test_it_answers_as_the_model_that_is_loaded_without_an_engine(choice: ModelChoice) -> None:
    plain = loading.load_model(choice.name, device="cpu", dtype="float32")
    ids = plain.generator().generate(plain.encode_text("hello"), 8, temperature=0.0)

    model = load_model(choice, GREEDY)
    try:
        assert "".join(map(str, model.continue_text("hello", GREEDY))) == plain.decode(list(ids))
    finally:
        model.close()


def test_a_role_gives_its_tools(choice: ModelChoice) -> None:
    model = load_model(replace(choice, role="deacon"), GREEDY)
    try:
        assert [tool["name"] for tool in model.tools] == ["Bash"]
        assert model.about == "role deacon, 512 tokens of context"
    finally:
        model.close()


def test_what_cannot_be_is_refused_before_a_model_is_looked_for() -> None:
    with pytest.raises(ConfigError, match="top_p"):
        load_model(ModelChoice("./nobody"), Answering(top_p=1.5))


def test_a_model_without_a_tokenizer_cannot_be_asked_in_words(choice: ModelChoice) -> None:
    for file in Path(choice.name).glob("tokenizer*"):
        file.unlink()

    with pytest.raises(NotFound, match="has no tokenizer"):
        load_model(choice, GREEDY)
