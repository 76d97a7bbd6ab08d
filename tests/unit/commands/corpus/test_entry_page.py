# SPDX-License-Identifier: Apache-2.0
from node0.commands.corpus.entry_page import page
from node0.finetune.corpus.schema import CorpusEntry


def test_a_page_has_facts_system_prompts_and_every_kind_of_block() -> None:
    call = {"type": "tool_use", "id": "t0", "name": "Bash", "input": {"command": "gt mail"}}
    result = {"type": "tool_result", "tool_use_id": "t0", "content": [{"type": "text", "text": "no mail"}]}
    entry = CorpusEntry(
        id="one",
        role="mayor",
        rig="hq",
        task_type="patrol",
        outcome="success",
        created_at="2026-01-05T00:00:00Z",
        systems={"a": "You are the mayor."},
        messages=[
            {"role": "user", "content": "Look."},
            {"role": "assistant", "content": [{"type": "text", "text": "I look."}, call]},
            {"role": "user", "content": [result]},
        ],
    )

    lines = list(page(entry))

    assert "id: one" in lines and "outcome: success" in lines
    assert not [line for line in lines if line.startswith("bead_id")]
    assert lines[lines.index("calls: 0, of them exact: 0") + 1 :] == [
        "\n--- system prompt\nYou are the mayor.",
        "\n--- user",
        "Look.",
        "\n--- assistant",
        "I look.",
        '[call Bash] {"command": "gt mail"}',
        "\n--- user",
        "[result] no mail",
    ]
