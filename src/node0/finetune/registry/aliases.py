# SPDX-License-Identifier: Apache-2.0
"""Names that move from version to version of a model."""

from collections.abc import Mapping

from sqlalchemy import Connection, delete, insert, select

from node0.finetune.registry.events import append_event, now
from node0.finetune.registry.states import Alias
from node0.store.tables import model_aliases


def version_of(connection: Connection, name: str, alias: Alias) -> int | None:
    """The version that an alias stands for, if any."""
    table = model_aliases.c
    return connection.scalar(select(table.version).where(table.name == name, table.alias == alias.value))


def aliases_of(connection: Connection, name: str | None = None) -> Mapping[tuple[str, int], list[Alias]]:
    """The aliases of each version, of one model or of all."""
    table = model_aliases.c
    query = select(table.name, table.version, table.alias).order_by(table.alias)
    if name is not None:
        query = query.where(table.name == name)
    found: dict[tuple[str, int], list[Alias]] = {}
    for row in connection.execute(query).mappings():
        found.setdefault((row["name"], row["version"]), []).append(Alias(row["alias"]))
    return found


def move(connection: Connection, name: str, alias: Alias, version: int | None, *, reason: str = "") -> None:
    """Let an alias stand for another version, or for none."""
    before = version_of(connection, name, alias)
    if before == version:
        return
    own = (model_aliases.c.name == name) & (model_aliases.c.alias == alias.value)
    connection.execute(delete(model_aliases).where(own))
    if version is not None:
        row = {"name": name, "alias": alias.value, "version": version, "moved_at": now()}
        connection.execute(insert(model_aliases), [row])
    detail = {"alias": alias.value, "from": before, "to": version}
    append_event(connection, name, version or before or 0, "alias", reason=reason, detail=detail)
