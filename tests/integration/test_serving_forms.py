# SPDX-License-Identifier: Apache-2.0
"""Answers that must have a form, and log probabilities, asked for by the real clients of an untrained model.

Such a model writes noise: whatever is JSON, or a call, is so because nothing else could be drawn.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
from integration.engines.answer_forms import (
    assert_calls_keep_their_form,
    assert_json_keeps_its_form,
    assert_refused,
)
from integration.served_process import Served, anthropic_client, openai_client, serving
from tiny_chat import BASH
from tiny_run import make_base

pytestmark = pytest.mark.integration

BASE = Path(__file__).parents[2] / "examples" / "base"
ASK: dict[str, Any] = {"model": "tiny", "max_tokens": 400, "messages": [{"role": "user", "content": "Look."}]}
SEEDED: dict[str, Any] = {**ASK, "temperature": 1.0, "seed": 3}
SHAPE: dict[str, Any] = {
    "type": "object",
    "properties": {"ok": {"type": "boolean"}, "rig": {"enum": ["rust", "iron"]}},
    "required": ["ok", "rig"],
    "additionalProperties": False,
}
COMMAND: dict[str, Any] = {
    "type": "object",
    "properties": {"command": {"type": "string", "maxLength": 8}},
    "required": ["command"],
    "additionalProperties": False,
}
SHAPED: Any = {"type": "json_schema", "json_schema": {"name": "look", "schema": SHAPE, "strict": True}}
FUNCTION: Any = {"type": "function", "function": {"name": "Bash", "parameters": COMMAND}}
TOOL: Any = {**BASH, "input_schema": COMMAND}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    base = make_base(tmp_path_factory.mktemp("model"), max_seq_len=1024)
    with serving("--model", f"tiny={base}") as served:
        yield served


def test_json_is_of_the_schema_whole_and_streamed_and_other_answers_are_what_they_were(
    server: Served,
) -> None:
    with openai_client(server) as client:
        before = client.chat.completions.create(**SEEDED).choices[0].message.content
        whole = client.chat.completions.create(**SEEDED, response_format=SHAPED).choices[0]
        chunks = list(client.chat.completions.create(**SEEDED, response_format=SHAPED, stream=True))
        after = client.chat.completions.create(**SEEDED).choices[0].message.content
    said = json.loads(whole.message.content or "")

    assert whole.finish_reason == "stop"
    assert set(said) == {"ok", "rig"} and said["rig"] in ("rust", "iron") and isinstance(said["ok"], bool)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == whole.message.content
    assert before == after != whole.message.content


def test_anthropics_client_gets_json_of_a_schema_too(server: Served) -> None:
    form = {"output_config": {"format": {"type": "json_schema", "schema": SHAPE}}}
    with anthropic_client(server) as client:
        said = client.messages.create(**ASK, extra_body=form)

    assert set(json.loads(said.content[0].text)) == {"ok", "rig"}
    assert said.stop_reason == "end_turn"


def test_a_call_that_is_required_comes_and_is_of_the_tools_schema(server: Served) -> None:
    chosen: Any = {"type": "function", "function": {"name": "Bash"}}
    with openai_client(server) as client:
        for choice in ("required", chosen):
            asked = {**SEEDED, "tools": [FUNCTION], "tool_choice": choice, "parallel_tool_calls": False}
            (call,) = client.chat.completions.create(**asked).choices[0].message.tool_calls
            assert call.function.name == "Bash"
            assert set(json.loads(call.function.arguments)) == {"command"}
    with anthropic_client(server) as client:
        for kind in ({"type": "any"}, {"type": "tool", "name": "Bash"}):
            choice = {**kind, "disable_parallel_tool_use": True}
            said = client.messages.create(**ASK, tools=[TOOL], tool_choice=choice)
            assert [block.type for block in said.content] == ["tool_use"]
            assert (said.stop_reason, set(said.content[0].input)) == ("tool_use", {"command"})


def test_forms_are_kept_where_a_tag_is_one_id_of_the_tokenizer() -> None:
    with serving("--model", f"base={BASE}") as served:
        assert_calls_keep_their_form(served, "base")
        assert_json_keeps_its_form(served, "base")
        assert_refused(served, "base", {"type": "nonsense"}, "cannot be followed here")


def test_a_schema_that_cannot_be_followed_is_a_bad_request(server: Served) -> None:
    shaped: Any = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "nonsense"}}}

    with openai_client(server) as client, pytest.raises(openai.BadRequestError, match="nonsense"):
        client.chat.completions.create(**ASK, response_format=shaped)


def test_log_probabilities_are_the_models_own_whole_and_streamed(server: Served) -> None:
    asked: dict[str, Any] = {**ASK, "max_tokens": 12, "temperature": 0, "logprobs": True, "top_logprobs": 3}
    with openai_client(server) as client:
        whole = client.chat.completions.create(**asked).choices[0].logprobs
        chunks = list(client.chat.completions.create(**asked, stream=True))
        legacy = client.completions.create(
            model="tiny", prompt="Look.", max_tokens=5, temperature=0, logprobs=2
        ).choices[0]
    told = [chunk.choices[0].logprobs for chunk in chunks if chunk.choices[0].logprobs]
    streamed = [entry for each in told for entry in each.content or ()]

    assert whole is not None and whole.content is not None
    assert len(whole.content) == 12
    assert [entry.token for entry in whole.content] == [entry.token for entry in streamed]
    for entry in whole.content:
        values = [top.logprob for top in entry.top_logprobs]
        assert len(values) == 3 and values == sorted(values, reverse=True)
        assert entry.logprob == values[0] <= 0  # greedy
    assert legacy.logprobs is not None and len(legacy.logprobs.tokens or ()) == 5
    assert all(len(top) <= 2 for top in legacy.logprobs.top_logprobs or ())
