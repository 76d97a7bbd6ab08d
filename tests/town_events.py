# SPDX-License-Identifier: Apache-2.0
"""Events of one polecat, and the sessions that they make."""

from datetime import UTC, datetime, timedelta

from node0.finetune.corpus.town.events import Event
from node0.finetune.corpus.town.sessions import Session, sessions_of

START = datetime(2026, 1, 5, 6, 0, tzinfo=UTC)
POLECAT = "demo/polecats/toast"


def event(minute: int, kind: str, actor: str = POLECAT, **payload: str) -> Event:
    return Event(START + timedelta(minutes=minute), kind, actor, payload)


def started(minute: int, session: str = "s1", actor: str = POLECAT, **payload: str) -> Event:
    return event(minute, "session_start", actor, session_id=session, role=actor, **payload)


def only(*events: Event) -> Session:
    (session,) = sessions_of(events)
    return session
