# SPDX-License-Identifier: Apache-2.0
"""How long `node0 COMMAND --help` works, beside a Python process that imports typer and nothing of ours.

Prints the median processor time of each command and its ratio to that process.
"""

import resource
import statistics
import subprocess
import sys

from node0 import cli

ROUNDS = 5
PEER = [sys.executable, "-c", "import typer"]
OURS = [sys.executable, "-c", "import sys; from node0.cli import main; sys.exit(main())"]


def main() -> None:
    """Ask every command for its help."""
    peer = _seconds(PEER)
    print(f"{'import typer':<16} {peer:.3f} s")
    for name in ("", *sorted(cli.available())):
        ours = _seconds([*OURS, *name.split(), "--help"])
        print(f"{'node0 ' + name:<16} {ours:.3f} s; {ours / peer:.2f}x")  # a bench prints its figures


def _seconds(command: list[str]) -> float:
    """Processor time: other work on the machine does not count, and help waits for nothing."""
    found = []
    for _ in range(ROUNDS):
        before = _of_children()
        subprocess.run(command, check=True, capture_output=True)
        found.append(_of_children() - before)
    return statistics.median(found)


def _of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
