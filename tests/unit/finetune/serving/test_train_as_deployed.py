# SPDX-License-Identifier: Apache-2.0
"""What a model is asked is, id for id, what it was trained on."""

from typing import Any

import pytest
from serving_parts import ScriptedEngine, application, posted, served
from tiny_chat import BASH, SESSION, calls, recorded, result, says, system, user

from node0.finetune.chat.profile import DeploymentProfile
from node0.finetune.chat.render import Renderer
from node0.finetune.corpus.schema import CorpusEntry
from node0.finetune.corpus.transcript.messages_form import messages_form
from node0.finetune.data.calls import dialogues, recorded_calls

BILLING = {"type": "text", "text": "x-anthropic-billing-header: cc_version=2; cch=9f3a1;"}
PROFILE = DeploymentProfile(role="deacon", card="You patrol.", tools=("Bash",))
KEEPING = DeploymentProfile(role="deacon", card=None, tools=("Bash",))
REMINDED = [
    user("<system-reminder>\nToday's date is 2026-02-01.\n</system-reminder>\nPatrol."),
    system("[GAS TOWN] role: deacon\n# Hook\nYour hook: gt-1\n# Manual\nlong words"),
    calls("gt peek", 1, text="Two at once."),
    result("fine \ud83d", 1),
    says("All <|user|> is well."),
]


def _trained(entry: CorpusEntry, renderer: Renderer) -> dict[int, list[int]]:
    """For each learnt answer the ids of its training row before it."""
    before = {}
    for dialogue in dialogues(entry, renderer.profile)[0]:
        groups = [[answer] for answer in dialogue.answers] if renderer.one_answer else [dialogue.answers]
        for answers in groups:
            row = renderer.example(dialogue.messages, dialogue.tools, dialogue.system, answers=answers)
            before |= {span.message: row.ids[: span.start] for span in row.spans}
    return before


def _wire(call: Any, messages: list[Any]) -> dict[str, Any]:
    """The request as a harness sends it: a billing block, cache marks, thoughts in the history."""
    thought = {"type": "thinking", "thinking": "hm", "signature": "s"}
    turns = []
    for message in messages:
        content = message["content"]
        if message["role"] == "assistant" and isinstance(content, list):
            content = [thought, *content]
        turns.append({"role": message["role"], "content": content})
    marked = {"type": "text", "text": call.system, "cache_control": {"type": "ephemeral"}}
    return {
        "model": "tiny",
        "max_tokens": 32000,
        "system": [BILLING, marked],
        "tools": [{**tool, "cache_control": {"type": "ephemeral"}} for tool in call.tools],
        "messages": turns,
        "thinking": {"type": "adaptive"},
        "context_management": {},
        "metadata": {"user_id": "u"},
    }


@pytest.mark.parametrize("profile", [PROFILE, KEEPING, None], ids=["card", "kept", "none"])
@pytest.mark.parametrize("template", ["shipped", "chatml", "rewriting", "alternating"])
@pytest.mark.parametrize("session", [SESSION, REMINDED], ids=["session", "reminded"])
def test_the_ids_sent_to_the_engine_are_those_of_the_training_row_up_to_the_answer(
    profile: DeploymentProfile | None, template: str, session: list[Any]
) -> None:
    held_out = _as_collected(recorded(session))
    model = served(profile=profile, template=template, context=100_000)
    engine = ScriptedEngine()
    app = application(engine, model)
    messages, asked_calls = recorded_calls(held_out, profile)
    trained = _trained(held_out, model.renderer)

    for call in asked_calls:
        body = _wire(call, session[: call.answer])
        assert posted(app, "/v1/messages", body).status_code == 200

    assert len(trained) == len(asked_calls) > 1
    assert [list(request.prompt) for request in engine.requests] == [
        trained[call.answer] for call in asked_calls
    ]
    assert len(messages) == len(session)


def test_openai_clients_ask_with_the_same_ids() -> None:
    model, engine = served(profile=PROFILE), ScriptedEngine()
    app = application(engine, model)
    function = {"name": "Bash", "description": "x", "parameters": BASH["input_schema"]}
    call = {
        "id": "toolu_1",
        "type": "function",
        "function": {"name": "Bash", "arguments": '{"command":"gt status"}'},
    }
    chat = [
        {"role": "system", "content": "You are opencode."},
        {"role": "user", "content": "Patrol the town."},
        {"role": "system", "content": "Hook says: a heartbeat is stale."},
        {"role": "assistant", "content": "I look first.", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "toolu_1", "content": "heartbeat of rust is stale"},
    ]
    body = {"model": "tiny", "messages": chat, "tools": [{"type": "function", "function": function}]}

    posted(app, "/v1/chat/completions", body)

    assert list(engine.requests[0].prompt) == _trained(recorded(SESSION), model.renderer)[4]


def _as_collected(entry: CorpusEntry) -> CorpusEntry:
    """The entry as the collector would have stored it: without halves of UTF-16 pairs."""

    entry.messages[:] = messages_form(entry.messages).messages
    return entry
