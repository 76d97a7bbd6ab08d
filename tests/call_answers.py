# SPDX-License-Identifier: Apache-2.0
"""Answers that calls of two tools bind, whatever notation a grammar is in, and what follows a mask."""

from serving_parts import END, TOKENIZER, encode

from node0.finetune.serving.grammar_masks import GrammarMask, GrammarMasks

NAMES = ("Bash", 'Count "it"')
BASH, COUNTED = (
    '{"name":"Bash","arguments":{"command":"ls"}}',
    '{"name": "Count \\"it\\"", "arguments": {"n": 3}}',
)
WRONG = BASH.replace('"ls"', "3")
TAG, END_TAG = "<tool_call>", "</tool_call>"
MASKS = GrammarMasks(TOKENIZER, vocab_size=len(TOKENIZER), stop_ids=[END])

FORCED = [
    (f"{TAG}{BASH}{END_TAG}", True),
    (f"{TAG}\n{BASH}\n{END_TAG}{TAG}{COUNTED}{END_TAG}", True),
    (f"Well. {TAG}{BASH}{END_TAG}", False),
    (f"{TAG}{BASH}{END_TAG} Well.", False),
    (f"{TAG}{BASH}", False),
    (f"{TAG}{WRONG}{END_TAG}", False),
    (f"{TAG}{BASH.replace('Bash', 'Read')}{END_TAG}", False),
    ("", False),
]
"Where a call must come: a text, and whether it may be the answer."

FREE = [
    ("Only words, 1 < 2 and <tool.", True),
    (f"{TAG}{BASH}{END_TAG}{TAG}{COUNTED}{END_TAG}", True),
    ("Only words, 1 < 2, <tool, <<tool_cal and <tool_call.\nThen <", True),
    ("", True),
    (f"I look.<{TAG}{BASH}{END_TAG} And so <to.", True),
    (f"<tool_{TAG}{BASH}{END_TAG}{TAG}\n{COUNTED}{END_TAG}", True),
    (f"I look.{TAG}{WRONG}{END_TAG}", False),
    (f"<<tool_call{TAG}{WRONG}{END_TAG}", False),
    (f"{TAG}well", False),
]
"The same where words may come too."


def follows(mask: GrammarMask, ids: list[int]) -> bool:
    """Whether each of these ids may come where it stands."""
    for token_id in ids:
        allowed = mask.allowed()
        if token_id >= len(allowed) or not allowed[token_id]:
            return False
        mask.accept(token_id)
    return True


def allowed_by(grammar: str, text: str) -> bool:
    """Whether a whole answer by this grammar may be this text."""
    return follows(MASKS.mask(grammar), [*encode(text), END])
