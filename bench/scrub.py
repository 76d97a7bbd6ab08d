# SPDX-License-Identifier: Apache-2.0
"""How fast the scrubber reads, in MB/s of one core, on text like that of transcripts.

    python bench/scrub.py [MEGABYTES]

Processor time, not wall time. The second row is ten times the first: linear time shows as equal rates.
"""

import json
import random
import sys
import time

from node0.finetune.corpus.scrubber import CorpusScrubber

WORDS = [
    *("the", "agent", "heartbeat", "is", "stale", "so", "nudge", "polecat", "rig", "bead", "hook", "convoy"),
    *(
        "merge",
        "queue",
        "refinery",
        "witness",
        "deacon",
        "status",
        "open",
        "closed",
        "ready",
        "error",
        "file",
    ),
    *("commit", "branch", "origin", "main", "test", "passed", "failed", "token", "key", "value", "secret"),
    *(
        "def",
        "return",
        "import",
        "self",
        "path",
        "none",
        "class",
        "/srv/gt/demo/src/app.py",
        "127.0.0.1:3307",
    ),
]
MEGA = 1e6


def transcript_like(size: int, rng: random.Random) -> list[str]:
    """Leaves of a session: prose, command output, JSON, hashes; one secret in 200 leaves."""
    leaves: list[str] = []
    total = 0
    while total < size:
        words = [rng.choice(WORDS) for _ in range(rng.randint(20, 400))]
        words += [
            f"{rng.getrandbits(160):040x}",
            f"gt-{rng.getrandbits(20):x}",
            f"2026-01-05T06:{rng.randint(10, 59)}:00Z",
        ]
        rng.shuffle(words)
        leaf = rng.choice((" ".join(words), "\n".join(words), json.dumps({"output": words})))
        if rng.random() < 0.005:
            leaf += f"\nGITHUB_TOKEN=ghp_{rng.getrandbits(200):036x}"[:60]
        leaves.append(leaf)
        total += len(leaf)
    return leaves


def rate(leaves: list[str]) -> float:
    """Megabytes per second of processor time."""
    scrubber = CorpusScrubber()
    scrubber.scrub("warm up: +1 415 555 2671")
    begin = time.process_time()
    for leaf in leaves:
        scrubber.scrub(leaf)
    return sum(map(len, leaves)) / MEGA / (time.process_time() - begin)


def main() -> None:
    """Measure twice and print both rates."""
    megabytes = float(sys.argv[1]) if len(sys.argv) > 1 else 2.0
    for size in (megabytes, 10 * megabytes):
        leaves = transcript_like(int(size * MEGA), random.Random(0))
        print(f"{size:6.1f} MB in {len(leaves):6d} leaves: {rate(leaves):5.1f} MB/s")


if __name__ == "__main__":
    main()
