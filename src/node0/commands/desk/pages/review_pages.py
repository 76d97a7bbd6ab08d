# SPDX-License-Identifier: Apache-2.0
"""The review queue at the desk: entries that wait, and what a person decides about each."""

from collections.abc import Mapping

from node0.commands.corpus.open_corpus import open_store
from node0.commands.corpus.review.decide_entries import Decision, decided, open_queue
from node0.commands.desk.pages.desk_page import Asked, Desk, Shown
from node0.commands.desk.pages.slices import page_number, sliced
from node0.errors import ConfigError

CARDS = 10
"Entries on a page: each is searched for its uncertain values."

VALUES = 20
"Values of an entry that are shown; a decision is about all of them."

LONGEST = 2000
"Characters of a value that are shown."

DECISIONS = {"accept": Decision.ACCEPT, "redact": Decision.REDACT, "drop": Decision.DROP}


def waiting(desk: Desk, asked: Asked) -> Shown:
    """Entries in quarantine with their uncertain values, of a role or of all."""
    return _queue(desk, asked.query, said="")


def decide(desk: Desk, asked: Asked) -> Shown:
    """Carry out a decision about an entry; what waits then.

    Raises:
        ConfigError: the form names no such decision.
        NotFound, BadCorpus: there is no such entry, or it does not wait any more.
    """
    wish = asked.form.get("decision", "")
    if wish not in DECISIONS:
        raise ConfigError(f"no decision {wish!r}; it is one of {', '.join(DECISIONS)}")
    done = decided(open_queue(desk.town.root), [asked.form.get("entry", "")], DECISIONS[wish])
    said = ", ".join(f"{one['id']}: {one['did']}" for one in done)
    return _queue(desk, asked.form, said=said)


def _queue(desk: Desk, wanted: Mapping[str, str], *, said: str) -> Shown:
    role = wanted.get("role") or None
    _, store = open_store(desk.town.root, role)
    headers = [header for header in store.headers(role) if header.quarantined]
    found = sliced(headers, page_number(wanted.get("page")), size=CARDS)
    queue = open_queue(desk.town.root)
    cards = []
    for header in found.rows:
        items = [one._replace(value=_begin(one.value)) for one in queue.values(store.get(header.id))]
        cards.append({"entry": header, "items": items[:VALUES], "more": max(0, len(items) - VALUES)})
    content = {"cards": cards, "slice": found, "role": role, "roles": store.roles(), "said": said}
    return Shown("review.html", content)


def _begin(value: str) -> str:
    return value if len(value) <= LONGEST else f"{value[:LONGEST]}…"
