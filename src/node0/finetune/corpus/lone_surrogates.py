# SPDX-License-Identifier: Apache-2.0
"""Lone surrogates: JSON may spell half a UTF-16 pair, no file in UTF-8 can hold one."""

from typing import Any


def replace_lone_surrogates(text: str) -> str:
    """The text with U+FFFD for each lone surrogate; two that make a pair become its character."""
    if text.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in text):
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def without_lone_surrogates(value: Any) -> Any:
    """A JSON value with that done to each text in it, names of members too."""
    if isinstance(value, str):
        return replace_lone_surrogates(value)
    if isinstance(value, dict):
        return {replace_lone_surrogates(key): without_lone_surrogates(item) for key, item in value.items()}
    return [without_lone_surrogates(item) for item in value] if isinstance(value, list) else value
