# SPDX-License-Identifier: Apache-2.0
"""Small real tokenizers with chat templates of several kinds, and entries to render with them."""

import hashlib
from typing import Any

from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from node0.finetune.chat.render import shipped_template
from node0.finetune.corpus.schema import CorpusEntry, RecordedCall

SPECIALS = [
    "<|system|>",
    "<|user|>",
    "<|assistant|>",
    "<|tool|>",
    "<|im_start|>",
    "<|im_end|>",
    "<s>",
    "[INST]",
    "[/INST]",
]

CHATML = (
    "{%- if tools %}<|im_start|>tools\n{% for tool in tools %}{{ tool | tojson }}\n{% endfor %}<|im_end|>\n"
    "{% endif %}"
    "{%- for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}"
    "{%- for call in m.tool_calls or [] %}\n<tool_call>\n{{ call.function | tojson }}\n</tool_call>"
    "{% endfor -%}"
    "<|im_end|>\n{% endfor %}"
    "{%- if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)

# The same with markers around what the assistant says, through its end token.
GENERATION = (
    "{%- if tools %}<|im_start|>tools\n{% for tool in tools %}{{ tool | tojson }}\n{% endfor %}<|im_end|>\n"
    "{% endif %}"
    "{%- for m in messages %}<|im_start|>{{ m.role ~ '\n' }}"
    "{%- if m.role == 'assistant' %}{% generation %}{{ m.content }}"
    "{%- for call in m.tool_calls or [] %}{{ '\n' }}<tool_call>\n{{ call.function | tojson }}\n</tool_call>"
    "{% endfor -%}<|im_end|>{% endgeneration %}"
    "{%- else %}{{ m.content }}<|im_end|>{% endif %}{{ '\n' }}{% endfor %}"
    "{%- if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)

# Only the last answer shows its (empty) reasoning block, as in Qwen3.
REWRITING = CHATML.replace(
    "{{ m.content }}",
    "{% if m.role == 'assistant' and loop.last %}<think>\n\n</think>\n\n{% endif %}{{ m.content }}",
)

# A reasoning block is opened by the prompt and never shown again.
OPENING = CHATML.replace("<|im_start|>assistant\n{% endif %}", "<|im_start|>assistant\n<think>\n{% endif %}")

# Turns must alternate, from the user on; no system turn but the first; no tools; as in Llama 2.
ALTERNATING = (
    "{%- set ns = namespace(want='user', head='') %}{{ bos_token }}"
    "{%- for m in messages %}"
    "{%- if m.role == 'system' and loop.first %}{% set ns.head = '<<SYS>>' ~ m.content ~ '<</SYS>>' %}"
    "{%- elif m.role != ns.want %}{{ raise_exception('roles must alternate') }}"
    "{%- elif m.role == 'user' %}[INST] {{ ns.head }}{{ m.content }} [/INST]"
    "{% set ns.want = 'assistant' %}{% set ns.head = '' %}"
    "{%- else %} {{ m.content | trim }}{{ eos_token }}{% set ns.want = 'user' %}{% endif %}"
    "{%- endfor %}"
)

# No special token anywhere: cuts cannot be found by searching.
PLAIN = (
    "{%- for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}"
    "{%- if add_generation_prompt %}assistant: {% endif %}"
)

TEMPLATES: dict[str, str] = {
    "shipped": shipped_template(),
    "chatml": CHATML,
    "generation": GENERATION,
    "rewriting": REWRITING,
    "opening": OPENING,
    "alternating": ALTERNATING,
    "plain": PLAIN,
}

BASH: dict[str, Any] = {
    "name": "Bash",
    "description": "Run.",
    "input_schema": {
        "type": "object",
        "properties": {"command": {"type": "string"}},
        "required": ["command"],
    },
}


def tiny_tokenizer(template: str | None = "shipped") -> PreTrainedTokenizerFast:
    """One token a byte, and the special ones; `template` is a key of TEMPLATES."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    inner = Tokenizer(models.BPE(vocab={letter: number for number, letter in enumerate(letters)}, merges=[]))
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    inner.decoder = decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=inner, eos_token="<|end|>", bos_token="<s>", additional_special_tokens=SPECIALS
    )
    if template is not None:
        tokenizer.chat_template = TEMPLATES[template]
    return tokenizer


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


def says(text: str) -> dict[str, Any]:
    return {"role": "assistant", "content": [{"type": "text", "text": text}]}


def system(text: str) -> dict[str, Any]:
    return {"role": "system", "content": text}


def calls(command: str, number: int = 1, *, text: str = "") -> dict[str, Any]:
    words = [{"type": "text", "text": text}] if text else []
    use = {"type": "tool_use", "id": f"toolu_{number}", "name": "Bash", "input": {"command": command}}
    return {"role": "assistant", "content": [*words, use]}


def result(text: str, number: int = 1) -> dict[str, Any]:
    block = {"type": "tool_result", "tool_use_id": f"toolu_{number}", "content": text}
    return {"role": "user", "content": [block]}


def entry(messages: list[dict[str, Any]], **values: Any) -> CorpusEntry:
    """An entry; where it names no requests, every assistant turn is a call."""
    given: dict[str, Any] = {
        "id": "e1",
        "role": "deacon",
        "rig": "town",
        "task_type": "patrol",
        "outcome": "success",
        "created_at": "2026-02-01T00:00:00Z",
        "source": "claude-code",
        **values,
    }
    return CorpusEntry(messages=messages, **given)


def recorded(messages: list[dict[str, Any]], **values: Any) -> CorpusEntry:
    """An entry whose assistant turns are recorded calls, of its own, under one prompt and the Bash tool."""
    answers = [number for number, message in enumerate(messages) if message["role"] == "assistant"]
    requests = [
        RecordedCall(
            n_messages=number,
            system="s",
            tools="t",
            exact=True,
            answer=hashlib.sha256(f"{values.get('id', 'e1')} {number}".encode()).hexdigest()[:16],
        )
        for number in answers
    ]
    return entry(
        messages,
        systems={"s": "You are Claude Code."},
        toolsets={"t": [BASH]},
        requests=requests,
        **values,
    )


SESSION = [
    user("Patrol the town."),
    system("Hook says: a heartbeat is stale."),
    calls("gt status", 1, text="I look first."),
    result("heartbeat of rust is stale", 1),
    calls("gt nudge rust", 2),
    result("nudged", 2),
    system("New mail."),
    user("And <|end|> now?"),
    says("All is <|im_end|> well."),
]
"A session with tool turns, system turns in the middle, and words that would forge tokens."
