# SPDX-License-Identifier: Apache-2.0
"""Copy everything that one store holds into an empty one."""

from sqlalchemy import func, insert, select

from node0.errors import ConfigError
from node0.store.tables import metadata, store_migrations
from node0.store.transactions import Store


def copy_store(source: Store, target: Store) -> dict[str, int]:
    """Rows copied, by table. All or nothing.

    Raises:
        ConfigError: the target holds rows already.
        StoreUnavailable: one of the two does not answer.
    """
    tables = [table for table in metadata.sorted_tables if table is not store_migrations]
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
