# SPDX-License-Identifier: Apache-2.0
"""What a store holds in all: counted, and copied whole into an empty one."""

from collections.abc import Mapping
from contextlib import closing
from typing import Any

from sqlalchemy import Connection, Table, func, insert, select

from node0.errors import ConfigError
from node0.store.dolt_store import DoltStore
from node0.store.preference_table import find_transcript, list_preferences
from node0.store.tables import dpo_transcripts, metadata, store_migrations
from node0.store.transactions import Store


def copy_store(source: Store, target: Store) -> dict[str, int]:
    """Rows copied, by table, those that a Dolt store keeps on branches included. All or nothing.

    Raises:
        ConfigError: the target holds rows already.
        StoreUnavailable: one of the two does not answer.
    """
    tables = _tables()
    counts: dict[str, int] = {}
    with source.read() as giving, target.write(f"Copy {source.where}") as taking:
        for table in tables:
            if taking.scalar(select(func.count()).select_from(table)):
                raise ConfigError(
                    f"store {target.where} is not empty (table {table.name}); copy into an empty one"
                )
        for table in tables:
            rows = [dict(row) for row in giving.execute(select(table)).mappings()]
            if table is dpo_transcripts and isinstance(source, DoltStore):
                rows = _with_branches(source, giving, rows)
            if rows:
                taking.execute(insert(table), rows)
            counts[table.name] = len(rows)
    return counts


def row_counts(store: Store) -> dict[str, int]:
    """How many rows each table holds."""
    with store.read() as connection:
        return {
            table.name: connection.scalar(select(func.count()).select_from(table)) or 0 for table in _tables()
        }


def _with_branches(source: DoltStore, giving: Connection, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Transcripts of the main branch, and those that lie on the branch of their side."""
    found: dict[tuple[str, str], Mapping[str, Any]] = {(row["comparison"], row["side"]): row for row in rows}
    branches = set(source.branches())
    for preference in list_preferences(giving):
        for side in ("a", "b"):
            if (branch := preference[f"branch_{side}"]) not in branches:
                continue
            with closing(source.on_branch(branch)) as store, store.read() as connection:
                if (row := find_transcript(connection, preference["id"], side)) is not None:
                    found[preference["id"], side] = row
    return [dict(row) for row in found.values()]


def _tables() -> list[Table]:
    return [table for table in metadata.sorted_tables if table is not store_migrations]
