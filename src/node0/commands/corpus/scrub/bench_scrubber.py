# SPDX-License-Identifier: Apache-2.0
"""Score the scrubber on generated texts, and write the table of a page."""

from pathlib import Path
from typing import Any, NamedTuple

from node0 import console
from node0.commands.corpus.open_scrubber import make_scrubber
from node0.errors import GateRefused, NotFound
from node0.files import write_atomically
from node0.finetune.corpus.scoreboard.score import Board, Score, scoreboard, shortfalls
from node0.finetune.corpus.scrub.surrogates import Surrogates
from node0.finetune.corpus.scrubber import CorpusScrubber
from node0.town import Town

KEY = b"of no town"
BEGIN, END = "<!-- scoreboard -->\n", "<!-- end of scoreboard -->\n"


class Bench(NamedTuple):
    """What is measured, and what is done with it."""

    cases: int
    seed: int
    examples: int
    check: bool
    page: Path | None


def bench_scrubber(bench: Bench, town: Path | None, *, as_json: bool) -> None:
    """Print the scores of the shipped scrubber, or of a town's.

    Raises:
        NotFound: there is no such page, or it has no place for a table.
        GateRefused: a score is below what a release must reach, and `check` was asked for.
    """
    console.note(f"scrubbing {bench.cases} generated texts of each kind")
    scrubber = (
        make_scrubber((), town=Town.locate(town)) if town else CorpusScrubber(surrogates=Surrogates(KEY))
    )
    board = scoreboard(
        lambda text: scrubber.scrub(text)[0], cases=bench.cases, seed=bench.seed, examples=bench.examples
    )
    console.emit([_row(score) for score in board.scores], as_json=as_json)
    for example in board.examples:
        console.note(f"{example.suite}, {example.kind}: {example.text!r} -> {example.scrubbed!r}")
    if bench.page:
        _write_table(bench.page, board, bench)
    short = list(shortfalls(board))
    if bench.check and short:
        raise GateRefused(f"{short[0]}; {len(short) - 1} more rows fall short: see --examples 3")


def _row(score: Score) -> dict[str, Any]:
    low, high = score.interval
    return {
        "suite": score.suite,
        "kind": score.kind,
        "share": round(score.share, 4),
        "low": round(low, 4),
        "high": round(high, 4),
        "cases": score.cases,
    }


def _write_table(page: Path, board: Board, bench: Bench) -> None:
    if not page.is_file():
        raise NotFound(f"no page {page}: name one with the line {BEGIN.strip()}")
    text = page.read_text(encoding="utf-8")
    if BEGIN not in text or END not in text:
        raise NotFound(f"{page} lacks {BEGIN.strip()} and {END.strip()}: put them where the table goes")
    before, _, rest = text.partition(BEGIN)
    write_atomically(page, f"{before}{BEGIN}\n{_table(board, bench)}\n{END}{rest.partition(END)[2]}")


def _table(board: Board, bench: Bench) -> str:
    lines = [
        f"`node0-corpus scrub-bench --cases {bench.cases} --seed {bench.seed}`, Wilson intervals at 95%:",
        "",
        "| suite | kind | share | interval | cases |",
        "|---|---|---|---|---|",
    ]
    for score in board.scores:
        low, high = score.interval
        lines.append(
            f"| {score.suite} | {score.kind} | {score.share:.3f} | {low:.3f} to {high:.3f} | {score.cases} |"
        )
    return "\n".join(lines) + "\n"
