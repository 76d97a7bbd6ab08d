# SPDX-License-Identifier: Apache-2.0
"""Quote a peer's words for a log line or an error, so that they pass for nothing else."""

LONGEST = 300
"Characters of what a peer says that are shown."


def quoted(said: object) -> str:
    """In quotes, short and in one line, without control characters, whatever was sent."""
    return repr(str(said)[:LONGEST])
