# SPDX-License-Identifier: Apache-2.0
"""Ask a person for one of a few words, by its first letter; the rest of the line is the reason."""

from collections.abc import Sequence
from typing import NamedTuple

from node0 import console
from node0.commands.chat.typed_message import ReadLine

QUIT = "quit"
LATER = "later"


class Said(NamedTuple):
    """A word, and why."""

    word: str
    reason: str = ""


def ask(read: ReadLine, words: Sequence[str]) -> Said:
    """One of these words, or `later` or `quit`; asked again where none is meant, `quit` at the end of input.

    Words begin with different letters, and none with those of `later` and `quit`.
    """
    keys = {word[0]: word for word in (*words, LATER, QUIT)}
    prompt = ", ".join(f"[{word[0]}]{word[1:]}" for word in keys.values()) + "> "
    while True:
        try:
            typed, _, reason = read(prompt).strip().partition(" ")
        except EOFError:
            return Said(QUIT)
        word = keys.get(typed[:1].lower())
        if word is not None and word.startswith(typed.lower()):
            return Said(word, reason.strip())
        console.note(f"{typed!r} is none of {', '.join(keys.values())}; a reason may follow it")
