# SPDX-License-Identifier: Apache-2.0
"""What a peer says, made fit for a log line or an error: it cannot be taken for words of this program."""

LONGEST = 300
"Characters of what a peer says that are shown."


def quoted(said: object) -> str:
    """In quotes, short and in one line, without control characters, whatever was sent."""
    return repr(str(said)[:LONGEST])
