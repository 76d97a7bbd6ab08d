# SPDX-License-Identifier: Apache-2.0
"""A session's prime for a fine-tuned model: its own work as the model learned it, and records on that.

The model's card stands in its system prompt, so what gt's prime says of the role's manual is left out. The
first part is what a dataset keeps of a full prime: what is asked is what was trained.
"""

from collections.abc import Callable

from node0.finetune.chat.harness import WHOLE_PRIME, reduce_prime
from node0.finetune.chat.profile import DeploymentProfile

MAX_TOKENS = 3000
CONTEXT_TOKENS = 400
"Of the records."

CONTEXT_CHARS = 1500
"A request is to stay below 8 KB before its first turn."

Count = Callable[[str], int]
"Tokens of a text, as the model counts them."

Retrieve = Callable[[str], str]
"Records for a question, between delimiters; empty for none."


def short_prime(full: str, profile: DeploymentProfile, *, count: Count, retrieve: Retrieve) -> str:
    """The prime for a model.

    Args:
        full: what gt printed. As short as a reduced one, as after a compaction, it stays as it is.
        profile: of the role.
        count: at most `MAX_TOKENS` by it; no text has more tokens than its UTF-8 has bytes.
        retrieve: asked with the session's own work.
    """
    if len(full) <= profile.max_prime_chars and count(full) <= MAX_TOKENS:
        return full
    own = reduce_prime(full, profile.rules)
    context = retrieve(own)
    if context and len(context) <= CONTEXT_CHARS and count(context) <= CONTEXT_TOKENS:
        own = cut(own, lambda text: _fits(f"{text}\n\n{context}\n", count))
        return f"{own}\n\n{context}\n"
    return cut(own, lambda text: _fits(f"{text}\n", count)) + "\n"


def cut(text: str, fits: Callable[[str], bool]) -> str:
    """The longest beginning that fits, at the end of a line where there is one; found by halving."""
    if fits(text):
        return text
    least, most = 0, len(text)
    while least < most:
        middle = (least + most + 1) // 2
        least, most = (middle, most) if fits(text[:middle]) else (least, middle - 1)
    line, _, _ = text[:least].rpartition("\n")
    return line if line and fits(line) else text[:least]


def _fits(text: str, count: Count) -> bool:
    return len(text) <= WHOLE_PRIME and count(text) <= MAX_TOKENS
