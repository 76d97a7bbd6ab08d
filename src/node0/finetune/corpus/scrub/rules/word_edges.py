# SPDX-License-Identifier: Apache-2.0
"""Word boundaries in a text that may itself be quoted JSON."""


def is_glued(text: str, start: int, end: int, joints: str) -> bool:
    """Whether the match is only part of a longer token."""
    before, after = text[max(0, start - 1) : start], text[end : end + 1]
    if before and (before.isalnum() or before in "_" + joints) and not is_after_escape(text, start):
        return True
    if after and after in joints and after not in ".:":
        return True
    following = text[end + 1 : end + 2]
    return bool(after) and (after.isalnum() or after == "_" or (after in joints and following.isdigit()))


def is_after_escape(text: str, start: int) -> bool:
    """Whether the letter before is the end of an escape such as \\n in text that holds JSON."""
    return text[max(0, start - 2) : start] in ("\\n", "\\t", "\\r")


def is_inside_word(text: str, at: int) -> bool:
    """Whether something before this place belongs to the same word."""
    return at > 0 and (text[at - 1].isalnum() or text[at - 1] == "_") and not is_after_escape(text, at)
