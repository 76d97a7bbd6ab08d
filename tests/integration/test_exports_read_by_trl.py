# SPDX-License-Identifier: Apache-2.0
import json
from collections import Counter
from typing import Any

import pytest
from tiny_chat import tiny_tokenizer

from node0.finetune.corpus.exchange.interchange import export_lines
from node0.finetune.corpus.exchange.interchange_turns import Format
from node0.finetune.corpus.schema import CorpusEntry

pytestmark = pytest.mark.integration

data_utils = pytest.importorskip("trl.data_utils")

FACTS = {"rig": "demo", "task_type": "patrol", "outcome": "success", "created_at": "2026-01-05T06:00:00Z"}
ASKED = {"role": "user", "content": "look"}
CALL = {"type": "tool_use", "id": "c1", "name": "Bash", "input": {"command": "gt hook"}}
TOOL = {"name": "Bash", "description": "Run it.", "input_schema": {"type": "object", "properties": {}}}
TURNS = [
    ASKED,
    {"role": "assistant", "content": [CALL]},
    {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c1", "content": "empty"}]},
    {"role": "assistant", "content": "Nothing hangs there."},
]


def exported(**fields: Any) -> Any:
    entry = CorpusEntry.model_validate({"id": "e1", "role": "deacon", **FACTS, **fields})
    (line,) = export_lines([entry], Format.TRL, Counter())
    return json.loads(json.dumps(line))


def test_trl_renders_a_conversation_with_its_tools() -> None:
    line = exported(messages=TURNS, tools=[TOOL])

    assert data_utils.is_conversational(line)
    # SFTTrainer hands over the column `tools` in this way.
    rendered = data_utils.maybe_apply_chat_template(line, tiny_tokenizer("chatml"), tools=line["tools"])
    text = rendered["text"]

    order = ['"parameters"', "look", "gt hook", "empty", "Nothing hangs there."]
    assert [text.index(words) for words in order] == sorted(text.index(words) for words in order)


def test_trl_finds_the_prompt_of_a_pair_that_was_stored_whole() -> None:
    sides = [[ASKED, {"role": "assistant", "content": words}] for words in ("Nothing.", "No idea.")]

    line = exported(messages=[], chosen=sides[0], rejected=sides[1])

    assert line == data_utils.extract_prompt({"chosen": sides[0], "rejected": sides[1]})
    assert data_utils.is_conversational(line)
