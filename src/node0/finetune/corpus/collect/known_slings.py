# SPDX-License-Identifier: Apache-2.0
"""Keep what beads told of sessions: gt deletes closed wisps, reviews and merge requests after a week.

A sling is kept as a JSON object: bead, worker, by, start, end, outcome, rule, and the bead's quality.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any

from node0.finetune.corpus.town.bead_outcomes import Outcomes
from node0.finetune.corpus.town.beads import Beads
from node0.finetune.corpus.town.closings import Derived
from node0.finetune.corpus.town.slings import Sling
from node0.finetune.corpus.town.timestamps import timestamp_of

Row = Mapping[str, Any]


def with_known(outcomes: Outcomes | None, rows: Iterable[Row]) -> Outcomes | None:
    """What a town's beads tell today, and what they told before; None where they never told anything."""
    slings = [(sling, row.get("quality")) for row in rows if (sling := _sling(row))]
    if not slings:
        return outcomes
    both = Outcomes(outcomes.beads if outcomes else Beads())
    for sling, quality in slings:
        if outcomes is not None and sling.end is None:
            continue  # a bead that is gone is on nobody's hook
        both.recall(sling, quality if isinstance(quality, float) else None)
    return both


def rows_of(outcomes: Outcomes, beads: Collection[str | None], scrub: Callable[[str], str]) -> Iterator[Row]:
    """The slings of these beads.

    Args:
        scrub: Takes secrets out of a string that is going to be written.
    """
    for name, slings in outcomes.slings.items():
        for sling in slings if name in beads else ():
            yield {
                "bead": scrub(sling.bead),
                "worker": scrub(sling.worker),
                "by": scrub(sling.by),
                "start": sling.start.isoformat(),
                "end": sling.end.isoformat() if sling.end else None,
                "outcome": sling.result.outcome,
                "rule": sling.result.rule,
                "quality": outcomes.quality.get(name),
            }


def _sling(row: Row) -> Sling | None:
    bead, worker, by, outcome, rule = (
        str(row.get(key, "")) for key in ("bead", "worker", "by", "outcome", "rule")
    )
    start = timestamp_of(str(row.get("start")))
    end = timestamp_of(str(row.get("end")))
    return Sling(bead, worker, by, start, end, Derived(outcome, rule)) if start and bead else None
