# SPDX-License-Identifier: Apache-2.0
"""The registry of models: versions that never change, with their evaluation and deployment."""

import difflib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from node0.errors import ConfigError, NotFound
from node0.finetune.manifest import Artefact
from node0.finetune.registry.schema import DeploymentStatus, ModelName, ModelRegistryEntry
from node0.store.engine import Store, Transaction, open_town_store
from node0.store.model_table import (
    Row,
    find_model,
    insert_model,
    list_artefacts,
    list_models,
    newest_version,
    update_model,
)
from node0.town import Town


class ModelRegistry:
    """Register, find and update models. Reading a registry that does not exist yet finds nothing."""

    def __init__(self, place: Store | Town | None = None, *, create: bool = True) -> None:
        """Use a store, or the one of a town (None: the town that is found from here)."""
        self._store = (
            place if isinstance(place, Store) else open_town_store(place or Town.locate(), create=create)
        )

    def register(self, entry: ModelRegistryEntry) -> ModelRegistryEntry:
        """Keep `entry` as the next version of its name; the entry as kept."""
        with self._store.write() as transaction:
            kept = entry.model_copy(
                update={
                    "version": newest_version(transaction, entry.name) + 1,
                    "created_at": entry.created_at or datetime.now(UTC).isoformat(timespec="seconds"),
                }
            )
            files = [artefact.model_dump() for artefact in kept.artefacts]
            insert_model(transaction, _row(kept), files)
        return kept

    def get(self, name: str) -> ModelRegistryEntry | None:
        """The version that `NAME` (newest) or `NAME:VER` names, or None."""
        with self._store.read() as transaction:
            return _find(transaction, ModelName.parse(name))

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
        with self._store.read() as transaction:
            return [_entry(transaction, row) for row in list_models(transaction, role)]

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
        with self._store.write() as transaction:
            entry = _find(transaction, ModelName.parse(name))
            if entry is not None:
                update_model(transaction, entry.name, entry.version, values)
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


def _find(transaction: Transaction, wanted: ModelName) -> ModelRegistryEntry | None:
    version = wanted.version or newest_version(transaction, wanted.name)
    row = find_model(transaction, wanted.name, version)
    return None if row is None else _entry(transaction, row)


def _row(entry: ModelRegistryEntry) -> dict[str, Any]:
    values = entry.model_dump(mode="json", exclude={"artefacts"})
    return values | {"content_digest": entry.content_digest}


def _entry(transaction: Transaction, row: Row) -> ModelRegistryEntry:
    files = [Artefact(**file) for file in list_artefacts(transaction, row["name"], row["version"])]
    fields = {name: value for name, value in row.items() if name != "content_digest"}
    return ModelRegistryEntry(**fields, artefacts=files)
