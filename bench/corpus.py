# SPDX-License-Identifier: Apache-2.0
"""How long `list`, `stats`, `corpus_hash`, `validate` and `duplicates` take on a large corpus.

    python bench/corpus.py [ENTRIES]

Each command is a process of its own. Wall time and processor time, in seconds; the limits for 10,000
entries are 1 s for `list`, 2 s for `stats` and 2 s for `corpus_hash`.
"""

import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from node0.finetune.corpus.schema import CorpusEntry
from node0.finetune.corpus.store import CorpusStore

ROLES = ("polecat", "witness", "deacon", "refinery")
OUTCOMES = ("success", "failure", "unknown")
WORDS = 1500
TOOL = [sys.executable, "-c", "import sys; from node0.run_corpus import main; sys.exit(main())"]
HASH = "import sys, pathlib; from node0.finetune.corpus.store import CorpusStore; "
HASH += "print(CorpusStore(pathlib.Path(sys.argv[1])).corpus_hash())"


def fill(root: Path, count: int, rng: random.Random) -> None:
    """Write entries of about 20 kB, one in twenty a near copy of the one before."""
    store = CorpusStore(root)
    vocabulary = [f"{rng.getrandbits(32):x}" for _ in range(5000)]
    words: list[str] = []
    # Durability is not measured here, and ten thousand syncs take minutes.
    os.fsync = lambda fd: None
    for number in range(count):
        words = ["changed", *words[1:]] if number % 20 == 19 else rng.choices(vocabulary, k=WORDS)
        half = len(words) // 2
        turns = [
            {"role": "user", "content": " ".join(words[:half])},
            {"role": "assistant", "content": " ".join(words[half:])},
        ]
        entry = CorpusEntry(
            id=f"{number:08x}",
            role=rng.choice(ROLES),
            rig="demo",
            task_type="bead_work",
            outcome=rng.choice(OUTCOMES),
            created_at=f"2026-01-{number % 28 + 1:02d}T06:00:00Z",
            messages=turns,
            session_id=f"session-{number}",
        )
        store.add(entry)


def seconds(command: list[str], *, times: int = 3) -> tuple[float, float]:
    """Wall time and processor time of a process, the best of some."""
    best = (float("inf"), float("inf"))
    for _ in range(times):
        before, begin = os.times(), time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wall, after = time.perf_counter() - begin, os.times()
        used = after.children_user + after.children_system - before.children_user - before.children_system
        best = min(best, (wall, used))
    return best


def main() -> None:
    """Fill a town, run each command, print its times."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    with tempfile.TemporaryDirectory() as directory:
        town = Path(directory)
        fill(town / ".corpus", count, random.Random(0))
        size = sum(path.stat().st_size for path in (town / ".corpus").glob("*/*.json"))
        print(f"{count} entries, {size / 1e6:.0f} MB")
        commands = {
            "list": [*TOOL, "list", "--town", directory],
            "list --json": [*TOOL, "list", "--json", "--town", directory],
            "stats": [*TOOL, "stats", "--town", directory],
            "corpus_hash": [sys.executable, "-c", HASH, str(town / ".corpus")],
            "validate": [*TOOL, "validate", "--town", directory],
            "duplicates": [*TOOL, "duplicates", "--town", directory],
        }
        for name, command in commands.items():
            wall, used = seconds(command, times=1 if name == "duplicates" else 3)
            print(f"{name:12s} {wall:6.2f} s wall, {used:6.2f} s processor")


if __name__ == "__main__":
    main()
