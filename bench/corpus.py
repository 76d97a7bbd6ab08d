# SPDX-License-Identifier: Apache-2.0
"""How long the commands take on a large corpus, and what memory a large session needs.

    python bench/corpus.py [ENTRIES] [MEGABYTES]

Each command is a process of its own. Wall time and processor time, in seconds; the limits for 10,000
entries are 1 s for `list`, 2 s for `stats` and 2 s for `corpus_hash`. A session file of 200 MB may take
300 MB of memory to read; collecting it also scrubs and stores it.
"""

import os
import random
import subprocess
import sys
import time
from pathlib import Path

from node0.finetune.corpus.schema import CorpusEntry
from node0.finetune.corpus.store import CorpusStore
from temporary import temporary_place

ROLES = ("polecat", "witness", "deacon", "refinery")
OUTCOMES = ("success", "failure", "unknown")
WORDS = 1500
TOOL = [sys.executable, "-c", "import sys; from node0.run_corpus import main; sys.exit(main())"]
HASH = "import sys, pathlib; from node0.finetune.corpus.store import CorpusStore; "
HASH += "print(CorpusStore(pathlib.Path(sys.argv[1])).corpus_hash())"
LIMITS = {"list": 1.0, "stats": 2.0, "corpus_hash": 2.0}
READ = (
    "import sys, pathlib; from node0.finetune.corpus.transcript.claude_code.session_file import SessionFile; "
)
READ += "print(sum(len(row.calls) for row in SessionFile(pathlib.Path(sys.argv[1])).trajectories()))"
PEAK = "; import re; print(int(re.search('VmHWM: *(.*) kB', open('/proc/self/status').read())[1]) // 1024)"


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


def measure_session(directory: Path, megabytes: int) -> None:
    """Read a large session file, then collect it."""
    path = directory / "session.jsonl"
    writer = str(Path(__file__).with_name("large_session.py"))
    subprocess.run([sys.executable, writer, str(path), str(megabytes)], check=True)
    town = ["--town", str(directory / "gt")]
    (directory / "gt").mkdir()
    argv = ["collect", "--transcript", str(path), "--role", "crew", *town]
    collect = f"import sys; from node0.run_corpus import main; main({argv})"
    for name, code in {"read": READ, "collect": collect}.items():
        begin = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-c", code + PEAK, str(path)], check=True, capture_output=True, text=True
        )
        wall, peak = time.perf_counter() - begin, done.stdout.split()[-1]
        print(f"{name} {megabytes} MB: {peak} MB of memory, {wall:.0f} s wall")


def main() -> None:
    """Fill a town, run each command, print its times; then measure a large session."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    megabytes = int(sys.argv[2]) if len(sys.argv) > 2 else 200
    with temporary_place("corpus") as town:
        fill(town / ".corpus", count, random.Random(0))
        size = sum(path.stat().st_size for path in (town / ".corpus").glob("*/*.json"))
        print(f"{count} entries, {size / 1e6:.0f} MB")
        commands = {
            "list": [*TOOL, "list", "--town", str(town)],
            "list --json": [*TOOL, "list", "--json", "--town", str(town)],
            "stats": [*TOOL, "stats", "--town", str(town)],
            "corpus_hash": [sys.executable, "-c", HASH, str(town / ".corpus")],
            "validate": [*TOOL, "validate", "--town", str(town)],
            "duplicates": [*TOOL, "duplicates", "--town", str(town)],
        }
        for name, command in commands.items():
            wall, used = seconds(command, times=1 if name == "duplicates" else 3)
            limit = f", limit {LIMITS[name]:.0f} s" if name in LIMITS and count == 10_000 else ""
            print(f"{name:12s} {wall:6.2f} s wall, {used:6.2f} s processor{limit}")
    with temporary_place("session") as scratch:
        measure_session(scratch, megabytes)


if __name__ == "__main__":
    main()
