# SPDX-License-Identifier: Apache-2.0
"""`make attack`: every round in turn, seeded and bounded, on this machine alone, and a table of what fell."""

import argparse
import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from attack.fuzz import replay
from attack.round import Chance, Outcome, Round
from attack.rounds import READERS, ROUNDS
from node0.usage.scratch import scratch_directory

KEPT = Path("build") / "attack"
"By default, where documents that something fell over stay; `--replay FILE` gives one to its reader again."


def main(argv: Sequence[str] | None = None) -> int:
    """Attack; 1 where something fell."""
    options = _options(argv)
    chosen = [each for each in ROUNDS if not options.round or each.name in options.round]
    if unknown := {*options.round} - {each.name for each in chosen}:
        print(f"no round {min(unknown)!r}; see: python -m attack --list", file=sys.stderr)
        return 2
    if options.list:
        print("\n".join(f"{each.name:<22} {each.what}" for each in chosen))
        return 0
    if options.replay:
        replay(READERS[chosen[0].name], options.replay.read_bytes())
        return 0
    seconds = 60 * options.minutes / len(chosen)
    print(f"seed {options.seed}; {options.minutes:g} minutes for {len(chosen)} rounds", flush=True)
    print(f"{'round':<22} {'tried':>7} {'refused':>8} {'fell':>5} {'s':>5}")
    fell = sum(_made(each, options.seed, seconds, options.kept) for each in chosen)
    print(f"{fell} fell" if fell else "nothing fell")
    return int(bool(fell))


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m attack", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0, help="for all rounds together")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--round", action="append", default=[], help="only this one; repeatable")
    parser.add_argument("--kept", type=Path, default=KEPT, help="where documents go that something fell over")
    parser.add_argument("--replay", type=Path, help="a document for the reader of --round, with a traceback")
    parser.add_argument("--list", action="store_true", help="show the rounds")
    return parser.parse_args(argv)


def _made(each: Round, seed: int, seconds: float, kept: Path) -> int:
    began = time.monotonic()
    with scratch_directory("n0a-") as scratch:
        place = scratch / "place"
        place.mkdir()
        # Each round draws anew, whichever stand before it.
        outcome = each.run(Chance(seed, seconds, place))
    took = time.monotonic() - began
    print(
        f"{each.name:<22} {outcome.tried:>7} {outcome.refused:>8} {len(outcome.falls):>5} {took:>5.0f}"
        + (f"  left out: {outcome.left_out}" if outcome.left_out else ""),
        flush=True,
    )
    _tell(each.name, seed, outcome, kept)
    return len(outcome.falls)


def _tell(name: str, seed: int, outcome: Outcome, kept: Path) -> None:
    for number, fall in enumerate(outcome.falls):
        kept.mkdir(parents=True, exist_ok=True)
        file = kept / f"{name.replace(' ', '-')}-{seed}-{number}"
        file.write_bytes(fall.data)
        print(f"  {fall.what}\n  {file}: {fall.data[:120]!r}", flush=True)


if __name__ == "__main__":
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # what a round made goes then too
    sys.exit(main())
