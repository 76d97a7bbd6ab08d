# SPDX-License-Identifier: Apache-2.0
"""Put a town's beads together from tables: a Dolt server's, or a backup directory of JSON lines.

Both hold the same tables. `issues` and `wisps` (short-lived beads, merge requests among them) have a row a
bead; `events` and `wisp_events` say what happened to it: for `status_changed` and `reopened`, new_value is
JSON of what was set; for `closed` it is the reason. `interactions` are the records of `bd audit`.

Clock. Issues are stamped by bd in UTC, events by the server in its own time zone, with a Z all the same. The
difference, in quarters of an hour, is read off the beads whose closing both tell, and taken out.
"""

import dataclasses
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from node0.documents.json_lines import read_json_lines
from node0.errors import NotFound
from node0.finetune.corpus.lone_surrogates import replace_lone_surrogates
from node0.finetune.corpus.town.beads import Bead, Beads, Change
from node0.finetune.corpus.town.change_order import in_order
from node0.finetune.corpus.town.timestamps import EARLIEST, timestamp_of

ISSUE = (
    *("id", "title", "description", "status", "issue_type", "assignee", "created_by", "created_at"),
    *("closed_at", "close_reason", "quality_score"),
)
EVENT = ("id", "issue_id", "event_type", "actor", "old_value", "new_value", "created_at")
DEPENDENCY = ("issue_id", "type", "depends_on_id", "depends_on_issue_id", "depends_on_wisp_id")
WANTED = {
    "issues": ISSUE,
    "wisps": ISSUE,
    "events": EVENT,
    "wisp_events": EVENT,
    "labels": ("issue_id", "label"),
    "wisp_labels": ("issue_id", "label"),
    "dependencies": DEPENDENCY,
    "wisp_dependencies": DEPENDENCY,
    "interactions": ("id", "kind", "created_at", "issue_id", "parent_id", "label"),
}
"Columns that are read, by table; versions of bd have other ones beside them, and lack some."

CHANGES = ("created", "status_changed", "updated", "closed", "reopened")
QUARTER, FARTHEST = timedelta(minutes=15), timedelta(hours=14)
"Time zones differ from UTC by quarters of an hour, and by no more than fourteen hours."

REPLACED = {"duplicates": "a duplicate", "supersedes": "superseded"}
"By the dependency that `bd duplicate` and `bd supersede` write from the bead that they close."

YEARS = range(1970, 9000)
TableRow = Mapping[str, Any]
"Columns by name."


def read_backup(directory: Path) -> Beads:
    """The beads of a backup directory: `issues.jsonl` and, where they are there, the other tables.

    Raises:
        NotFound: there is no such directory, or no issues in it.
    """
    if not (directory / "issues.jsonl").is_file():
        raise NotFound(
            f"no issues.jsonl in {directory}: name a backup directory, such as <town>/.beads/backup"
        )
    skipped: Counter[str] = Counter()
    files = [(name, directory / f"{name}.jsonl") for name in WANTED]
    rows = (("", name, row) for name, path in files for row in _lines(path, skipped))
    return beads_of(rows, skipped)


def audit_rows(directories: Iterable[Path], skipped: Counter[str]) -> Iterator[tuple[str, str, TableRow]]:
    """TableRows of `bd audit` from the `interactions.jsonl` of a town's `.beads` directories."""
    for directory in directories:
        for row in _lines(directory / "interactions.jsonl", skipped):
            yield "", "interactions", row


def beads_of(rows: Iterable[tuple[str, str, TableRow]], skipped: Counter[str] | None = None) -> Beads:
    """Put rows together; what cannot be read is counted.

    Args:
        rows: Database, table and columns of each, in any order.
    """
    found = Beads(skipped=Counter() if skipped is None else skipped)
    links: list[tuple[str, TableRow]] = []
    audits: list[TableRow] = []
    for database, table, row in rows:
        kind = table.removeprefix("wisp_")
        if table in ("issues", "wisps"):
            _add_bead(found, database, row)
        elif kind == "interactions":
            audits.append(row)
        elif kind == "events":
            found.events += 1
            # What an event repeats of the whole bead is not kept.
            links += _changes(row, found.skipped)
        else:
            links.append((kind, row))
    for kind, row in links:
        _link(found, kind, row)
    _settle_clock(found)
    found.labelled = _audit_labels(audits)
    return found


def _lines(path: Path, skipped: Counter[str]) -> Iterator[TableRow]:
    unread = Counter[str]()
    yield from read_json_lines(path, unread)
    if unread:
        skipped[f"line of {path.name} that cannot be read"] += unread.total()


def _add_bead(found: Beads, database: str, row: TableRow) -> None:
    name = _text(row, "id")
    if not name:
        found.skipped["bead without an id"] += 1
        return
    found.beads[name] = Bead(
        id=name,
        title=_text(row, "title"),
        status=_text(row, "status"),
        type=_text(row, "issue_type"),
        assignee=_text(row, "assignee").strip("/"),
        created_by=_text(row, "created_by").strip("/"),
        created=_moment(row.get("created_at")),
        closed=_moment(row.get("closed_at")),
        close_reason=_text(row, "close_reason").strip(),
        description=_text(row, "description"),
        database=database,
        score=_share(row.get("quality_score")),
    )


def _changes(row: TableRow, skipped: Counter[str]) -> Iterator[tuple[str, TableRow]]:
    kind, at = _text(row, "event_type"), _moment(row.get("created_at"))
    if kind not in CHANGES:
        skipped[f"event {kind or 'of no type'}"] += 1
        return
    if at is None:
        skipped["event without a time"] += 1
        return
    old, new = _object(row.get("old_value")), _object(row.get("new_value"))
    change = Change(
        at=at,
        kind=kind,
        actor=_text(row, "actor").strip("/"),
        before=_text(old, "status"),
        # The whole bead before: what it leaves out is empty.
        assignee_before=_text(old, "assignee").strip("/") if "title" in old else None,
        reason_before=_text(old, "close_reason").strip(),
        status="closed" if kind == "closed" else _text(new, "status"),
        assignee=_text(new, "assignee").strip("/") if "assignee" in new else None,
        # `bd update --status closed` leaves what was set, and no reason.
        reason=_text(row, "new_value").strip() if kind == "closed" and not new else "",
    )
    yield "change", {"issue_id": row.get("issue_id"), "change": change}


def _link(found: Beads, kind: str, row: TableRow) -> None:
    bead = found.beads.get(_text(row, "issue_id"))
    if bead is None:
        found.skipped[f"{kind} of a bead that is not there"] += 1
    elif kind == "change":
        bead.changes.append(row["change"])
    elif kind == "labels":
        bead.labels.add(_text(row, "label"))
    elif _text(row, "type") == "tracks":
        bead.tracks |= {_text(row, name) for name in DEPENDENCY[2:]} - {""}
    else:
        bead.replaced = bead.replaced or REPLACED.get(_text(row, "type"), "")


def _settle_clock(found: Beads) -> None:
    """Order every bead's changes, on the clock of the beads."""
    ahead: Counter[timedelta] = Counter()
    for bead in found.beads.values():
        bead.changes = in_order(bead.changes)
        closings = [change.at for change in bead.changes if change.kind == "closed"]
        if bead.closed and closings and abs(bead.closed - closings[-1]) <= FARTHEST:
            ahead[round((bead.closed - closings[-1]) / QUARTER) * QUARTER] += 1
    found.clock = ahead.most_common(1)[0][0] if ahead else timedelta()
    if found.clock:
        for bead in found.beads.values():
            bead.changes = [
                dataclasses.replace(change, at=change.at + found.clock) for change in bead.changes
            ]


def _audit_labels(rows: Iterable[TableRow]) -> dict[str, bool]:
    """The last label of each bead; a label names a record, and the record names its bead."""
    ordered = sorted(rows, key=lambda row: _moment(row.get("created_at")) or EARLIEST)
    beads = {_text(row, "id"): _text(row, "issue_id") for row in ordered}
    labelled = {}
    for row in ordered:
        bead = _text(row, "issue_id") or beads.get(_text(row, "parent_id"), "")
        if bead and _text(row, "label") in ("good", "bad"):
            labelled[bead] = row["label"] == "good"
    return labelled


def _text(row: TableRow, name: str) -> str:
    value = row.get(name)
    return "" if value is None else replace_lone_surrogates(str(value))


def _object(value: Any) -> dict[str, Any]:
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return {}
    return value if isinstance(value, dict) else {}


def _moment(value: Any) -> datetime | None:
    moment = timestamp_of(value.isoformat() if isinstance(value, datetime) else str(value))
    return moment if moment and moment.year in YEARS else None


def _share(value: Any) -> float | None:
    try:
        share = float(value)
    except (TypeError, ValueError):
        return None
    return share if 0 <= share <= 1 else None
