# SPDX-License-Identifier: Apache-2.0
"""Refuse a role that nobody has, before something is looked for, stored or answered under its name."""

from collections.abc import Iterable
from pathlib import Path

from node0.errors import NotFound
from node0.finetune.corpus.store import CorpusStore
from node0.finetune.role import EVERY_ROLE, require_known_role
from node0.town import Town


def require_role(role: str | None, town: Town | Path | None, others: Iterable[str] = ()) -> None:
    """Nothing for a role of Gas Town, for one of the town's own or of its corpus, and for one of `others`.

    Args:
        role: None where none was given.
        town: the one that is meant; a path or None is looked up, and there may be none.

    Raises:
        NotFound: nobody has the role; the message names the nearest one.
    """
    if role is None or role == EVERY_ROLE:
        return
    place = town if isinstance(town, Town) else _town_at(town)
    known = [] if place is None else [*place.own_roles(), *CorpusStore(place).roles()]
    require_known_role(role, [*known, *others])


def _town_at(root: Path | None) -> Town | None:
    try:
        return Town.locate(root)
    except NotFound:
        return None
