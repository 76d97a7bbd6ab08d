# SPDX-License-Identifier: Apache-2.0
"""Queries on training jobs and the states they were in, as plain rows, inside a transaction of the store."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, func, insert, or_, select, update

from node0.store.tables import job_transitions, training_jobs

Row = Mapping[str, Any]


def insert_job(connection: Connection, row: Row) -> None:
    """Add a job."""
    connection.execute(insert(training_jobs), [dict(row)])


def update_job(connection: Connection, job_id: str, values: Row) -> None:
    """Change columns of a job."""
    connection.execute(update(training_jobs).where(training_jobs.c.id == job_id).values(dict(values)))


def find_job(connection: Connection, name: str) -> Row | None:
    """The job with this id, or the newest one of this bead."""
    jobs = training_jobs.c
    query = select(training_jobs).where(or_(jobs.id == name, jobs.bead_id == name))
    row = connection.execute(query.order_by(jobs.id != name, jobs.updated_at.desc())).first()
    return None if row is None else row._asdict()


def list_jobs(connection: Connection, state: str | None = None) -> Sequence[Row]:
    """Every job, in one state or in any, the last one touched first."""
    query = select(training_jobs).order_by(training_jobs.c.updated_at.desc(), training_jobs.c.id)
    if state is not None:
        query = query.where(training_jobs.c.state == state)
    return [row._asdict() for row in connection.execute(query)]


def append_transition(connection: Connection, job_id: str, row: Row) -> None:
    """Add a state to those that a job was in, under the next number."""
    last = connection.scalar(
        select(func.max(job_transitions.c.number)).where(job_transitions.c.job_id == job_id)
    )
    connection.execute(insert(job_transitions), [{**row, "job_id": job_id, "number": (last or 0) + 1}])


def list_transitions(connection: Connection, job_id: str) -> Sequence[Row]:
    """Number, time, state and reason of each state that a job was in, oldest first."""
    columns = [column for column in job_transitions.columns if column.name != "job_id"]
    query = select(*columns).where(job_transitions.c.job_id == job_id).order_by(job_transitions.c.number)
    return [row._asdict() for row in connection.execute(query)]
