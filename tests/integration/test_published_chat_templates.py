# SPDX-License-Identifier: Apache-2.0
"""Chat templates of published models, as TRL carries them, against the renderer's promises."""

from importlib import resources
from typing import Any

import pytest
from tiny_chat import SESSION, calls, recorded, result, says, tiny_tokenizer, user

from node0.finetune.chat.profile import load_profile
from node0.finetune.chat.render import Renderer
from node0.finetune.data.check import check_entry

pytestmark = pytest.mark.integration

MARKS = [
    "<|start_header_id|>",
    "<|end_header_id|>",
    "<|eot_id|>",
    "<|begin_of_text|>",
    "<start_of_turn>",
    "<end_of_turn>",
]
FAMILIES = [
    "llama3",
    "llama3_1",
    "llama3_2",
    "qwen2_5",
    "qwen3",
    "qwen3_instruct_2507",
    "gemma",
    "gemma3",
    "phi3",
    "lfm2",
]


def published(family: str) -> Any:
    pytest.importorskip("trl")
    file = resources.files("trl") / "chat_templates" / f"{family}.jinja"
    if not file.is_file():
        pytest.skip(f"this TRL has no template {family}")
    tokenizer = tiny_tokenizer(None)
    tokenizer.add_tokens(MARKS, special_tokens=True)
    tokenizer.chat_template = file.read_text(encoding="utf-8")
    return tokenizer


@pytest.mark.parametrize("family", FAMILIES)
def test_prompts_are_prefixes_of_examples(family: str) -> None:
    tokenizer = published(family)

    for profile in (None, load_profile("deacon")):
        assert check_entry(recorded(SESSION), Renderer(tokenizer, profile)) == 3


@pytest.mark.parametrize("family", FAMILIES)
def test_two_calls_in_one_answer_are_rendered(family: str) -> None:
    both = calls("first command", 1)
    both["content"] += calls("second command", 2)["content"]
    results = result("one", 1)
    results["content"] += result("two", 2)["content"]
    renderer = Renderer(published(family))

    assert check_entry(recorded([user("go"), both, results, says("done")]), renderer) == 2
    example = renderer.example([user("go"), both])

    assert "first command" in renderer.tokenizer.decode(example.ids)
    assert "second command" in renderer.tokenizer.decode(example.ids)


@pytest.mark.parametrize("family", FAMILIES)
def test_answers_end_with_a_token_that_stops_generation(family: str) -> None:
    renderer = Renderer(published(family))

    example = renderer.example(SESSION)

    assert all(example.ids[end - 1] in renderer.stop_ids for _, _, end in example.spans)
