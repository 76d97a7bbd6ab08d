# SPDX-License-Identifier: Apache-2.0
"""Stdin and stdout in UTF-8, whatever the locale says."""

import sys
from io import TextIOWrapper


def use_utf8() -> None:
    """Read and write UTF-8 from now on; bytes of the input that are none become replacement characters."""
    for stream, errors in ((sys.stdin, "replace"), (sys.stdout, "strict")):
        # One may be closed, or stand for a file in a test.
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors=errors)
