# SPDX-License-Identifier: Apache-2.0
import pytest
from jinja2.exceptions import TemplateError
from tiny_chat import TEMPLATES, tiny_tokenizer

from node0.errors import ConfigError
from node0.finetune.chat.render import Renderer
from node0.finetune.chat.template_probe import answer_after, probe
from node0.finetune.chat.traits import Traits

TRAITS = {name: Renderer(tiny_tokenizer(name)).traits for name in TEMPLATES}


def test_a_template_that_takes_everything_is_known_as_such() -> None:
    assert TRAITS["chatml"] == Traits(generation_prompt="<|im_start|>assistant\n", end="<|im_end|>")


def test_what_a_template_refuses_is_found() -> None:
    found = TRAITS["alternating"]

    assert not (found.tools or found.parallel_calls or found.middle_system or found.assistant_first)
    assert not (found.user_runs or found.assistant_runs)
    assert found.system


def test_a_template_that_rewrites_earlier_turns_is_found() -> None:
    kept = {name: traits.prefix_preserving for name, traits in TRAITS.items()}

    assert not kept["rewriting"]
    assert kept["chatml"] and kept["shipped"]


def test_a_generation_prompt_that_content_could_forge_is_not_used() -> None:
    def render(turns: object, tools: object, add_prompt: bool) -> str:
        assert isinstance(turns, list)
        return "".join(f"{turn['role']}: {turn['content']}\n" for turn in turns) + "assistant: " * add_prompt

    found = probe(render, ["<|im_end|>"])

    assert (found.generation_prompt, found.end) == ("", "")


@pytest.mark.parametrize(
    ("prompt", "history", "full", "answer"),
    [
        ("u:a|A:", "u:a|", "u:a|A:yes<e>tail", "yes<e>"),
        ("u:a|A:<think>", "u:a|", "u:a|A:yes<e>", "yes<e>"),
        ("u:a|A:", "u:a|", "u:a|A:yes", "yes"),
    ],
)
def test_an_answer_follows_its_prompt_through_the_end_token(
    prompt: str, history: str, full: str, answer: str
) -> None:
    assert answer_after(prompt, history, full, end="<e>") == answer


def test_an_answer_that_rewrites_its_request_is_refused() -> None:
    with pytest.raises(TemplateError, match="rewrites"):
        answer_after("u:a|A:", "u:a|", "u:b|A:yes", end="<e>")


def test_a_template_that_cannot_render_is_refused() -> None:
    tokenizer = tiny_tokenizer()
    tokenizer.chat_template = "{{ raise_exception('no') }}"

    with pytest.raises(ConfigError, match="chat template"):
        Renderer(tokenizer)


def test_a_template_that_rewrites_the_request_is_refused() -> None:
    tokenizer = tiny_tokenizer()
    tokenizer.chat_template = "{{ messages | length }}" + TEMPLATES["chatml"]

    with pytest.raises(ConfigError, match="rewrites a request"):
        Renderer(tokenizer)
