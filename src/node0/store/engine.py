# SPDX-License-Identifier: Apache-2.0
"""Open a store by its place: a SQLite file, or a database on a Dolt server."""

from pathlib import Path

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from node0.errors import ConfigError
from node0.store.dolt_store import DRIVER, DoltStore
from node0.store.sqlite_store import BUSY_SECONDS, SqliteStore
from node0.store.transactions import Store

KINDS = "give a file, sqlite:///FILE, or mysql+pymysql://USER:PASSWORD@HOST:PORT/DATABASE"


def open_store(place: str | Path, *, create: bool = True, busy_seconds: float = BUSY_SECONDS) -> Store:
    """The store at a path or URL, with every migration applied.

    Args:
        place: where it is.
        create: make it if missing; without, a missing file reads as an empty store.
        busy_seconds: how long to wait for another process that writes.

    Raises:
        ConfigError: not a store, not writable, an unknown kind of URL, the town's own Dolt server, or
            written by a newer version.
        StoreUnavailable: locked for longer than `busy_seconds`, or no answer.
    """
    if isinstance(place, Path) or "://" not in place:
        return SqliteStore(Path(place), create=create, busy_seconds=busy_seconds)
    url = _url(place)
    if url.get_backend_name() == "sqlite" and url.database:
        return SqliteStore(Path(url.database), create=create, busy_seconds=busy_seconds)
    if url.drivername == DRIVER and url.host and url.database:
        return DoltStore(url, busy_seconds=busy_seconds)
    raise ConfigError(f"store {url.render_as_string()!r} is not supported; {KINDS}")


def _url(text: str) -> URL:
    try:
        return make_url(text)
    except (ArgumentError, ValueError):
        # The text itself may hold a password.
        raise ConfigError(f"the store's URL is none; {KINDS}") from None
