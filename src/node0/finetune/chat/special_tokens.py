# SPDX-License-Identifier: Apache-2.0
"""Escape special tokens in content, so that it cannot forge a turn."""

from collections.abc import Callable, Iterable

Escape = Callable[[str], str]
"A text without special tokens, which reads as before."


def special_token_escape(specials: Iterable[str]) -> Escape:
    """A function that puts a space behind the first letter of each special token in a text."""
    tokens = sorted({token for token in specials if len(token) > 1}, key=len, reverse=True)

    def escape(text: str) -> str:
        for token in tokens:
            if token in text:
                text = text.replace(token, f"{token[0]} {token[1:]}")
        return text

    return escape
