# SPDX-License-Identifier: Apache-2.0
"""The registry of models: versions that never change, with their evaluation and deployment."""

import difflib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, Select, and_, func, insert, select, update

from node0.errors import ConfigError, NotFound
from node0.finetune.manifest import Artefact
from node0.finetune.registry.schema import DeploymentStatus, ModelName, ModelRegistryEntry
from node0.store.engine import Store, open_store
from node0.store.tables import model_artefacts, model_registry
from node0.town import Town

ROW_FIELDS = [column.name for column in model_registry.columns if column.name != "content_digest"]


class ModelRegistry:
    """Register, find and update models. Reading a registry that does not exist yet finds nothing."""

    def __init__(self, place: Store | Town | None = None, *, create: bool = True) -> None:
        """Use a store, or the one of a town (None: the town that is found from here)."""
        if not isinstance(place, Store):
            town = place or Town.locate()
            place = open_store(town.store_file, create=create)
        self._store = place

    def register(self, entry: ModelRegistryEntry) -> ModelRegistryEntry:
        """Keep `entry` as the next version of its name; the entry as kept."""
        with self._store.write() as connection:
            kept = entry.model_copy(
                update={
                    "version": _newest(connection, entry.name) + 1,
                    "created_at": entry.created_at or datetime.now(UTC).isoformat(timespec="seconds"),
                }
            )
            connection.execute(insert(model_registry), [_row(kept)])
            if kept.artefacts:
                key = {"name": kept.name, "version": kept.version}
                connection.execute(
                    insert(model_artefacts), [key | artefact.model_dump() for artefact in kept.artefacts]
                )
        return kept

    def get(self, name: str) -> ModelRegistryEntry | None:
        """The version that `NAME` (newest) or `NAME:VER` names, or None."""
        with self._store.read() as connection:
            return _find(connection, ModelName.parse(name))

    def require(self, name: str) -> ModelRegistryEntry:
        """As `get`.

        Raises:
            NotFound: there is none; the message names the nearest ones.
        """
        if (entry := self.get(name)) is not None:
            return entry
        wanted = ModelName.parse(name)
        if newest := self.get(wanted.name):
            raise NotFound(
                f"no version {wanted.version} of model {wanted.name!r}; newest is {newest.version}"
            )
        raise NotFound(f"no model {name!r}; {self._suggestion(wanted.name)}")

    def list(self, role: str | None = None) -> list[ModelRegistryEntry]:
        """Every version, of one role or of all, by name and then newest first."""
        query = select(model_registry).order_by(model_registry.c.name, model_registry.c.version.desc())
        if role is not None:
            query = query.where(model_registry.c.role == role)
        with self._store.read() as connection:
            return _entries(connection, query)

    def update_eval_score(self, name: str, eval_score: float, by_category: Mapping[str, float]) -> None:
        """Record an evaluation of `NAME` or `NAME:VER`.

        Raises:
            NotFound: there is no such version.
        """
        self._update(name, {"eval_score": eval_score, "eval_scores_by_category": dict(by_category)})

    def update_deployment_status(self, name: str, status: str, rigs: Sequence[str]) -> None:
        """Record where `NAME` or `NAME:VER` runs.

        Raises:
            NotFound: there is no such version.
            ConfigError: no such status.
        """
        if status not in list(DeploymentStatus):
            known = ", ".join(DeploymentStatus)
            raise ConfigError(f"no deployment status {status!r}; one of: {known}")
        self._update(name, {"deployment_status": str(status), "deployed_to": [*rigs]})

    def close(self) -> None:
        """Let go of the store."""
        self._store.close()

    def _update(self, name: str, values: dict[str, Any]) -> None:
        with self._store.write() as connection:
            entry = _find(connection, ModelName.parse(name))
            if entry is not None:
                connection.execute(
                    update(model_registry).where(_is(entry.name, entry.version)).values(values)
                )
                return
        self.require(name)

    def _suggestion(self, name: str) -> str:
        names = sorted({entry.name for entry in self.list()})
        if not names:
            return "none is registered; see: node0 model register --help"
        nearest = difflib.get_close_matches(name, names, n=3, cutoff=0.3)
        if nearest:
            return f"nearest: {', '.join(nearest)}; see: node0 model list"
        return "see: node0 model list"


def _newest(connection: Connection, name: str) -> int:
    newest = select(func.max(model_registry.c.version)).where(model_registry.c.name == name)
    return connection.scalar(newest) or 0


def _find(connection: Connection, wanted: ModelName) -> ModelRegistryEntry | None:
    version = wanted.version or _newest(connection, wanted.name)
    found = _entries(connection, select(model_registry).where(_is(wanted.name, version)))
    return found[0] if found else None


def _is(name: str, version: int) -> Any:
    return and_(model_registry.c.name == name, model_registry.c.version == version)


def _row(entry: ModelRegistryEntry) -> dict[str, Any]:
    values = entry.model_dump(mode="json", include=set(ROW_FIELDS))
    return values | {"content_digest": entry.content_digest}


def _entries(connection: Connection, query: Select[Any]) -> list[ModelRegistryEntry]:
    rows = connection.execute(query).mappings().all()
    return [_entry(row, _artefacts(connection, row)) for row in rows]


def _entry(row: RowMapping, artefacts: Sequence[Artefact]) -> ModelRegistryEntry:
    return ModelRegistryEntry(**{field: row[field] for field in ROW_FIELDS}, artefacts=[*artefacts])


def _artefacts(connection: Connection, row: RowMapping) -> Sequence[Artefact]:
    table = model_artefacts
    query = (
        select(table.c.path, table.c.sha256, table.c.size)
        .where(table.c.name == row["name"], table.c.version == row["version"])
        .order_by(table.c.path)
    )
    return [Artefact(**found) for found in connection.execute(query).mappings()]
