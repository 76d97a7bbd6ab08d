# SPDX-License-Identifier: Apache-2.0
"""Which store a town uses: a SQLite file, the Dolt server beside it, or a database elsewhere."""

from contextlib import suppress

from pydantic import BaseModel, ConfigDict

from node0.files import private_directory
from node0.settings import read_block
from node0.store.dolt_server import OwnDolt
from node0.store.engine import open_store
from node0.store.transactions import Store
from node0.town import Town

OWN = "dolt"


class StoreSettings(BaseModel):
    """The block `store` of `<town>/.models/settings.yaml`."""

    model_config = ConfigDict(extra="forbid")

    url: str | None = None
    "`dolt` for the server of `node0 store dolt start`, or a URL; null is the SQLite file of the town."


def own_dolt(town: Town) -> OwnDolt:
    """The town's own Dolt server for models; not gt's, which holds the beads."""
    return OwnDolt(town.models / "dolt")


def place_of(town: Town) -> str:
    """The place of the town's store, for `open_store`; it may hold a password.

    Raises:
        ConfigError: the settings cannot be read.
        StoreUnavailable: it is on the town's own Dolt server for models, and that does not run.
    """
    chosen = read_block(StoreSettings, town.model_settings_file, block="store").url
    if chosen is None:
        return str(town.store_file)
    if chosen == OWN:
        return own_dolt(town).require().url.render_as_string(hide_password=False)
    return chosen


def open_town_store(town: Town, *, create: bool = True) -> Store:
    """The store of a town, in a directory for its owner alone; see `open_store`.

    Raises:
        ConfigError, StoreUnavailable: as `place_of` and `open_store`.
    """
    if create:
        with suppress(OSError):  # a place that cannot be written is told below
            private_directory(town.models)
    return open_store(place_of(town), create=create)
