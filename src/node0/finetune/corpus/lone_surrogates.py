# SPDX-License-Identifier: Apache-2.0
"""Half surrogates: JSON may spell them, no file can hold them."""


def whole(text: str) -> str:
    """The text with half surrogates replaced."""
    if text.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in text):
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
