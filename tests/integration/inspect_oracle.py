# SPDX-License-Identifier: Apache-2.0
"""Evaluate tasks of a written file by inspect-ai with a mock model; prints JSON.

Arguments: `oracle` or `silent`, the task file as seen from the working directory, a directory for logs, and
ids of items; all of them where none is given.
"""

import json
import sys
from typing import Any

from inspect_ai import eval as evaluate
from inspect_ai.model import ChatCompletionChoice, ChatMessageAssistant, ModelOutput, ModelUsage, get_model
from inspect_ai.tool import ToolCall

from node0.finetune.chat.messages import Block
from node0.finetune.eval.suite.load import load_suite
from node0.finetune.eval.suite.oracle import oracle

ITEMS = load_suite()


def _reference(messages: list[Any], tools: list[Any], tool_choice: Any, config: Any) -> ModelOutput:
    """What the oracle says to the item whose question is asked, if it offers these tools."""
    asked = next(message.text for message in messages if message.role == "user")
    item = next(item for item in ITEMS if item.question == asked)
    assert [tool.name for tool in tools] == list(item.tools)
    request = item.request()
    request["messages"] += [
        {"role": "assistant", "content": ""} for message in messages if message.role == "assistant"
    ]
    return _output(oracle(item, request))


def _nothing(messages: list[Any], tools: list[Any], tool_choice: Any, config: Any) -> ModelOutput:
    return _output([])


def _output(said: list[Block]) -> ModelOutput:
    message = ChatMessageAssistant(
        content="".join(block["text"] for block in said if block["type"] == "text"),
        tool_calls=[
            ToolCall(id=block["id"], function=block["name"], arguments=block["input"])
            for block in said
            if block["type"] == "tool_use"
        ],
    )
    # Without a usage the mock counts tokens, and fetches a table for that.
    return ModelOutput(model="mock", choices=[ChatCompletionChoice(message=message)], usage=ModelUsage())


MODELS = {"oracle": _reference, "silent": _nothing}


def main(model: str, file: str, logs: str, *names: str) -> None:
    """Ask these items of every task; values, explanations and roles of the messages by item."""
    mock = get_model("mockllm/model", custom_outputs=MODELS[model])
    found = evaluate(file, model=mock, sample_id=list(names) or None, log_dir=logs, display="none")
    told = {
        str(sample.id): [score.value, score.explanation, [message.role for message in sample.messages]]
        for log in found
        for sample in log.samples or ()
        for score in (sample.scores or {}).values()
    }
    json.dump({"status": [log.status for log in found], "samples": told}, sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
