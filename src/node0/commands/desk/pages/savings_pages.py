# SPDX-License-Identifier: Apache-2.0
"""Savings at the desk: what versions of ours did in the place of other agents, role by role."""

from node0.commands.desk.pages.desk_page import Asked, Desk, Shown
from node0.commands.model.open_registry import open_registry
from node0.commands.town.town_savings import row, town_savings


def saved(desk: Desk, asked: Asked) -> Shown:
    """A row for each role in which a version of ours had a session."""
    del asked
    with open_registry(desk.town.root) as (registry, town):
        found = town_savings(town, registry)
    unpriced = any(one.price is None for one in found)
    return Shown("savings.html", {"rows": [row(one) for one in found], "unpriced": unpriced})
