# SPDX-License-Identifier: Apache-2.0
"""What `node0 store` does: counts, copies, and a Dolt server that is started and ended."""

from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from node0 import console
from node0.errors import StoreUnavailable
from node0.store.copy_store import copy_store, row_counts
from node0.store.dolt_store import DoltStore
from node0.store.engine import open_store
from node0.store.town_store import OWN, own_dolt, place_of
from node0.store.transactions import Store
from node0.town import Town

COMMITS = 10
HINT = "to use it, put `store: {url: dolt}` into"


def status(root: Path | None, *, as_json: bool) -> None:
    """Say where the store is and how many rows each table has."""
    town = Town.locate(root)
    with closing(open_store(place_of(town), create=False)) as store:
        rows = [{"table": table, "rows": count} for table, count in row_counts(store).items()]
        console.emit(rows, as_json=as_json, title=store.where)


def copy(source: str, target: str, *, root: Path | None) -> None:
    """Copy one store into another."""
    with closing(_open(source, root, create=False)) as giving, closing(_open(target, root)) as taking:
        counts = copy_store(giving, taking)
        console.note(f"copied {sum(counts.values())} rows from {giving.where} to {taking.where}")


def start(root: Path | None, *, program: str, port: int | None) -> None:
    """Start the town's own server."""
    town = Town.locate(root)
    running = own_dolt(town).start(binary=program, port=port)
    console.note(f"Dolt runs on 127.0.0.1:{running.port}, process {running.pid}")
    if place_of(town) != running.url.render_as_string(hide_password=False):
        console.note(f"{HINT} {town.model_settings_file}, after: node0 store copy town dolt")


def stop(root: Path | None) -> None:
    """End it."""
    ended = own_dolt(Town.locate(root)).stop()
    console.note("the Dolt server has ended" if ended else "no Dolt server of this town's models runs")


def dolt_status(root: Path | None, *, as_json: bool) -> int:
    """Whether it runs, and its last commits; the exit code."""
    town = Town.locate(root)
    running = own_dolt(town).running()
    if running is None:
        if as_json:
            console.emit([{"running": False}], as_json=True)
        console.note("no Dolt server of this town's models runs; start it with: node0 store dolt start")
        return StoreUnavailable.exit_code
    with closing(open_store(running.url.render_as_string(hide_password=False))) as store:
        assert isinstance(store, DoltStore)
        commits = [{name: str(value) for name, value in row.items()} for row in store.log(COMMITS)]
    about = {"running": True, "port": running.port, "pid": running.pid, "where": store.where}
    if as_json:
        console.emit([about | {"commits": commits}], as_json=True)
    else:
        console.emit([about], as_json=False)
        console.emit([_commit_row(row) for row in commits], as_json=False, title="last commits")
    return 0


def _commit_row(row: Mapping[str, str]) -> dict[str, str]:
    return {"DATE": row["date"][:19], "WHO": row["committer"], "WHAT": row["message"]}


def _open(place: str, root: Path | None, *, create: bool = True) -> Store:
    if place == "town":
        place = place_of(Town.locate(root))
    elif place == OWN:
        place = own_dolt(Town.locate(root)).require().url.render_as_string(hide_password=False)
    return open_store(place, create=create)
