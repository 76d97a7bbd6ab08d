# SPDX-License-Identifier: Apache-2.0
"""A long agentic request, and its next turns: what was computed once is not computed again."""

from collections.abc import Iterator
from typing import Any

import pytest
from anthropic.types import Message
from integration.served_process import Served, anthropic_client, computed_ids, serving
from serving_parts import encode
from tiny_run import make_base

from town.generator.long_request import TOOLS, long_request, turn

pytestmark = pytest.mark.integration

SYSTEM_TOKENS = 20_000
REQUEST = long_request(lambda text: len(encode(text)), tokens=SYSTEM_TOKENS)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    base = make_base(tmp_path_factory.mktemp("model"), max_seq_len=40_000)
    with serving("--model", f"tiny={base}", "--cache-gib", "0.1") as served:
        yield served


def test_what_an_earlier_turn_computed_is_reused_by_the_same_and_by_the_next(served: Served) -> None:
    first, before, computed = asked(served, turn(REQUEST, 1))

    assert len(REQUEST["tools"]) == TOOLS == 20
    assert before > SYSTEM_TOKENS and first.usage.cache_read_input_tokens == 0
    assert computed >= before

    for number in (1, 2):
        again, prompt, computed = asked(served, turn(REQUEST, number))

        assert (again.usage.cache_read_input_tokens or 0) >= 0.95 * prompt
        assert computed <= prompt / 10


def test_an_answer_and_its_next_question_continue_what_is_kept(served: Served) -> None:
    body = turn(REQUEST, 3)
    said, _, _ = asked(served, body)
    answer = {"role": "assistant", "content": [block.model_dump() for block in said.content]}

    longer = {**body, "messages": [*body["messages"], answer, {"role": "user", "content": "And now?"}]}
    again, prompt, computed = asked(served, longer)

    assert (again.usage.cache_read_input_tokens or 0) >= 0.95 * prompt
    assert computed <= prompt / 10


def test_another_system_prompt_shares_nothing_with_a_kept_one(served: Served) -> None:
    other = long_request(lambda text: len(encode(text)), tokens=2000, seed="other")

    said, prompt, computed = asked(served, turn(other, 1))

    assert (said.usage.cache_read_input_tokens or 0) < 0.05 * prompt
    assert computed >= 0.95 * prompt


def asked(served: Served, body: dict[str, Any]) -> tuple[Message, int, int]:
    """The answer, the tokens of its prompt, and how many ids passed the layers for it."""
    before = computed_ids(served.url)
    with anthropic_client(served) as client:
        said = client.messages.create(model="tiny", max_tokens=8, extra_body={"temperature": 0}, **body)
    prompt = said.usage.input_tokens + (said.usage.cache_read_input_tokens or 0)
    return said, prompt, computed_ids(served.url) - before
