# SPDX-License-Identifier: Apache-2.0
from typing import Any

import pytest
import tiny_chat
from hypothesis import given, settings
from hypothesis import strategies as st
from jinja2.exceptions import TemplateError
from tiny_chat import tiny_tokenizer

from node0.errors import ConfigError
from node0.finetune.chat.bounded_template import Rendering, render_bounded

TEMPLATES = ["CHATML", "GENERATION", "REWRITING", "OPENING", "ALTERNATING"]
WORDS = st.text(st.sampled_from("ab <>&\"'\n\t{}%é\U0001f600"), max_size=30)
TURNS = st.lists(
    st.fixed_dictionaries(
        {"role": st.sampled_from(["user", "assistant", "system"]), "content": WORDS},
        optional={"name": st.none() | WORDS},
    ),
    min_size=1,
    max_size=5,
)
TOOL = {"type": "function", "function": {"name": "ls", "description": "<é>", "parameters": {}}}
TOKENIZER = tiny_tokenizer(None)


@settings(deadline=None)
@given(name=st.sampled_from(TEMPLATES), turns=TURNS, with_tools=st.booleans(), add_prompt=st.booleans())
def test_a_template_is_rendered_as_transformers_renders_it(
    name: str, turns: list[dict[str, Any]], with_tools: bool, add_prompt: bool
) -> None:
    template, tools = getattr(tiny_chat, name), [TOOL] if with_tools else None
    try:
        expected: Any = TOKENIZER.apply_chat_template(
            turns,
            tools=tools,
            chat_template=template,
            tokenize=False,
            add_generation_prompt=add_prompt,
            day="1",
        )
    except TemplateError as error:
        expected = str(error)
    try:
        found = render_bounded(
            TOKENIZER, Rendering(turns, tools, add_prompt, {"day": "1"}), template=template
        )
    except TemplateError as error:
        found = str(error)

    assert found == expected


@pytest.mark.parametrize(
    "template",
    [
        "{{ 'a' * 2000000000 }}",
        "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
        "{{ [[0] * 99999] * 99999 | tojson }}",
        "{{ 'a'.replace('', 'b' * 40000).replace('', 'c' * 40000) }}",
        "{{ 'a' | center(2000000000) }}",
        "{{ 'x' | indent(width=2000000000, first=true) }}",
        "{{ {'a': 1} | tojson(indent=2000000000) }}",
        "{% set n = namespace(x=1) %}{% for i in range(60) %}{% set n.x = [n.x, n.x] %}{% endfor %}{{ n.x }}",
        "{{ 7 ** (7 ** 77) }}",
    ],
)
def test_a_template_that_asks_for_everything_is_refused_in_one_line(template: str) -> None:
    with pytest.raises((ConfigError, TemplateError)) as caught:
        render_bounded(TOKENIZER, Rendering([{"role": "user", "content": "a"}]), template=template)

    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "template", ["{{ 1 / 0 }}", "{{ nobody.said }}", "{% for %}", "{{ raise_exception('no') }}"]
)
def test_a_template_that_fails_refuses_the_turns(template: str) -> None:
    with pytest.raises(TemplateError):
        render_bounded(TOKENIZER, Rendering([{"role": "user", "content": "a"}]), template=template)
