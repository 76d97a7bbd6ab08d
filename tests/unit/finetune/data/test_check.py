# SPDX-License-Identifier: Apache-2.0
from typing import Any

import pytest
from tiny_chat import SESSION, entry, recorded, says, system, tiny_tokenizer, user

from node0.errors import BadCorpus
from node0.finetune.chat.render import RenderedExample, Renderer
from node0.finetune.data.check import check_entry


@pytest.mark.parametrize("template", ["shipped", "rewriting"])
def test_every_learnt_answer_is_proven(template: str) -> None:
    assert check_entry(recorded(SESSION), Renderer(tiny_tokenizer(template))) == 3


def test_an_entry_in_which_nobody_answers_has_nothing_to_prove() -> None:
    assert check_entry(entry([system("words")]), Renderer(tiny_tokenizer())) == 0


def test_the_check_sees_a_prompt_that_is_no_prefix() -> None:
    class Forgetful(Renderer):
        def prompt_ids(self, request: Any) -> list[int]:
            return super().prompt_ids(request)[:-1]

    with pytest.raises(BadCorpus, match="message 2"):
        check_entry(recorded(SESSION), Forgetful(tiny_tokenizer()))


def test_an_answer_that_the_example_has_lost_is_seen() -> None:
    class Silent(Renderer):
        def example(self, *parts: Any, **options: Any) -> RenderedExample:
            whole = super().example(*parts, **options)
            return RenderedExample(whole.ids, whole.spans[:-1])

    with pytest.raises(BadCorpus, match="2 answers to learn, 1 in the example"):
        check_entry(recorded([user("a"), says("b"), user("c"), says("d")]), Silent(tiny_tokenizer()))
