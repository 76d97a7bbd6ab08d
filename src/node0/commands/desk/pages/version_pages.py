# SPDX-License-Identifier: Apache-2.0
"""Versions at the desk: what is registered, where one comes from, how good it is, what its aliases did."""

from typing import Any

from node0.commands.desk.pages.desk_page import Asked, Desk, Document, Moved, Shown
from node0.commands.desk.pages.slices import page_number, sliced
from node0.commands.eval.kept_reports import list_reports, read_report
from node0.commands.model import keep_models
from node0.commands.model.inspect_models import history_of, model_page, model_row
from node0.commands.model.open_registry import entries_of, open_registry
from node0.commands.model.trace_models import ancestry, origin
from node0.errors import BadCheckpoint, NotFound
from node0.finetune.eval.report.html_page import POLICY, report_page
from node0.finetune.registry.states import Alias

EVENTS = 200
"Newest events of a model that are shown."

ANCESTORS = 50


def versions(desk: Desk, asked: Asked) -> Shown:
    """Every version, or those for one role."""
    role = asked.query.get("role") or None
    with open_registry(desk.town.root) as (registry, _):
        entries, names = entries_of(registry, role), registry.aliases()
        roles = sorted({entry.role for entry in registry.list()})
    found = sliced(entries, page_number(asked.query.get("page")))
    rows = [
        {"VERSION": entry.spelled, **model_row(entry, names.get((entry.name, entry.version), []))}
        for entry in found.rows
    ]
    return Shown("versions.html", {"rows": rows, "slice": found, "role": role, "roles": roles})


def version(desk: Desk, asked: Asked) -> Shown:
    """One version: its page, its lineage, its reports, what happened to it and to its aliases."""
    page, place = model_page(asked.path["name"], desk.town.root)
    entry = page.entry
    with open_registry(desk.town.root) as (registry, _):
        lineage = [origin(one) for one in ancestry(registry, entry.spelled)[:ANCESTORS]]
    try:
        reports, problem = _reports(desk, entry.spelled), ""
    except BadCheckpoint as error:
        reports, problem = [], str(error)
    content = {
        "entry": entry,
        "facts": list(page.facts(place)),
        "is_candidate": Alias.CANDIDATE in page.aliases,
        "lineage": lineage,
        "reports": reports,
        "problem": problem,
        "events": list(reversed(history_of(entry.name, desk.town.root)[-EVENTS:])),
    }
    return Shown("version.html", content)


def report(desk: Desk, asked: Asked) -> Document:
    """The report of one evaluation of a version, as `node0 eval run` wrote it.

    Raises:
        NotFound: the version has no such report.
    """
    with open_registry(desk.town.root) as (registry, _):
        name = registry.require(asked.path["name"]).spelled
    kept = _reports(desk, name)
    number = page_number(asked.path["number"])
    if number > len(kept):
        raise NotFound(f"{name} has {len(kept)} reports, no number {number}; see its page")
    return Document(report_page(read_report(kept[number - 1]["directory"], desk.town.root)), POLICY)


def promote(desk: Desk, asked: Asked) -> Moved:
    """Let @candidate stand for a version.

    Raises:
        NotFound: there is no such version.
    """
    name = asked.path["name"]
    keep_models.promote(name, desk.town.root, reason=asked.form.get("reason", ""))
    return Moved(f"/versions/{name}")


def _reports(desk: Desk, name: str) -> list[dict[str, Any]]:
    return [one for one in list_reports(desk.town.root) if one["model"] == name]
