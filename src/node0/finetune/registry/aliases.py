# SPDX-License-Identifier: Apache-2.0
"""Names that move from version to version of a model."""

from collections.abc import Mapping

from node0.finetune.registry.model_events import append_event, now
from node0.finetune.registry.states import Alias
from node0.store.deployment_tables import drop_alias, find_alias, list_aliases, put_alias
from node0.store.transactions import Transaction


def version_of(transaction: Transaction, name: str, alias: Alias) -> int | None:
    """The version that an alias stands for, if any."""
    return find_alias(transaction, name, alias.value)


def aliases_of(transaction: Transaction) -> Mapping[tuple[str, int], list[Alias]]:
    """The aliases of each version."""
    found: dict[tuple[str, int], list[Alias]] = {}
    for row in list_aliases(transaction):
        found.setdefault((row["name"], row["version"]), []).append(Alias(row["alias"]))
    return found


def move(transaction: Transaction, name: str, alias: Alias, version: int | None, *, reason: str = "") -> None:
    """Let an alias stand for another version, or for none."""
    before = version_of(transaction, name, alias)
    if before == version:
        return
    if version is None:
        drop_alias(transaction, name, alias.value)
    else:
        row = {"name": name, "alias": alias.value, "version": version, "moved_at": now()}
        put_alias(transaction, row)
    detail = {"alias": alias.value, "from": before, "to": version}
    append_event(transaction, name, version or before or 0, "alias", reason=reason, detail=detail)
