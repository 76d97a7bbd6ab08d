# SPDX-License-Identifier: Apache-2.0
"""What a store holds in all: counted, and copied whole into an empty one."""

from sqlalchemy import Table, func, insert, select

from node0.errors import ConfigError
from node0.store.tables import metadata, store_migrations
from node0.store.transactions import Store


def copy_store(source: Store, target: Store) -> dict[str, int]:
    """Rows copied, by table. All or nothing.

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


def _tables() -> list[Table]:
    return [table for table in metadata.sorted_tables if table is not store_migrations]
