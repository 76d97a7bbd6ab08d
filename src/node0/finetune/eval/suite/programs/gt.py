# SPDX-License-Identifier: Apache-2.0
"""A `gt` for throwaway places: prints what an item gives it to print, and takes note of nothing else.

It runs alone inside the sandbox. What a model ran is judged by its words; the answer is only what a
town would have said.
"""

import json
import sys
from pathlib import Path

ANSWERS = Path(".town/gt.json")
SILENT = frozenset({"done", "nudge", "escalate", "mail", "handoff", "remember", "patrol", "mol", "warrant"})
"Commands that do something and need say nothing."


def main(arguments: list[str], path: Path = ANSWERS) -> int:
    """The answer whose words begin the command line, the longest first."""
    line = " ".join(["gt", *arguments])
    answers = json.loads(path.read_text()) if path.exists() else {}
    for start in sorted(answers, key=len, reverse=True):
        if line == start or line.startswith(f"{start} "):
            sys.stdout.write(f"{answers[start]}\n")
            return 0
    if arguments and arguments[0] in SILENT:
        sys.stdout.write("ok\n")
        return 0
    sys.stderr.write(f"Error: nothing is known of {line!r} here\n")
    return 1


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
