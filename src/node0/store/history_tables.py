# SPDX-License-Identifier: Apache-2.0
"""Queries on what happened to models and how they were measured: rows that are added and never change."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, func, insert, select

from node0.store.tables import model_evals, model_events

Row = Mapping[str, Any]


def append_event_row(connection: Connection, row: Row) -> None:
    """Add an event under the next number."""
    last = connection.scalar(select(func.max(model_events.c.number))) or 0
    connection.execute(insert(model_events), [{**row, "number": last + 1}])


def list_events(connection: Connection, name: str, version: int | None = None) -> Sequence[Row]:
    """The events of a model, or of one version of it, oldest first."""
    events = model_events.c
    query = select(model_events).where(events.name == name).order_by(events.number)
    if version is not None:
        query = query.where(events.version == version)
    return [row._asdict() for row in connection.execute(query)]


def append_evaluation_row(connection: Connection, row: Row) -> None:
    """Add a measurement under the next number of its version."""
    evals = model_evals.c
    own = (evals.name == row["name"]) & (evals.version == row["version"])
    last = connection.scalar(select(func.max(evals.number)).where(own)) or 0
    connection.execute(insert(model_evals), [{**row, "number": last + 1}])


def list_evaluations(connection: Connection, name: str, version: int) -> Sequence[Row]:
    """The measurements of a version, oldest first."""
    evals = model_evals.c
    own = (evals.name == name) & (evals.version == version)
    query = select(model_evals).where(own).order_by(evals.number)
    return [row._asdict() for row in connection.execute(query)]
