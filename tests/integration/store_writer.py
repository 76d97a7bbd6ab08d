# SPDX-License-Identifier: Apache-2.0
"""A process that adds rows to a store, one transaction each: PLACE NAME COUNT."""

import sys
import time
from functools import partial

from sqlalchemy import func, insert, select

from node0.retry import call_with_retries
from node0.store.engine import open_store
from node0.store.tables import model_events
from node0.store.transactions import Store


def main() -> None:
    place, name, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
    store = call_with_retries(lambda: open_store(place), first_delay=0.2)
    for number in range(1, count + 1):
        call_with_retries(partial(add, store, name, number), attempts=12, first_delay=0.2)
        sys.stdout.write(f"{number}\n")
        sys.stdout.flush()
        time.sleep(0.02)


def add(store: Store, name: str, version: int) -> None:
    """Add a row unless an earlier attempt did: one that was cut off may have been kept."""
    events = model_events.c
    with store.write(f"add {name} {version}") as connection:
        if connection.scalar(select(events.number).where(events.name == name, events.version == version)):
            return
        last = connection.scalar(select(func.max(events.number))) or 0
        row = {"number": last + 1, "name": name, "version": version, "at": "", "actor": "", "event": "test"}
        connection.execute(insert(model_events), [row | {"reason": "", "detail": {}}])


if __name__ == "__main__":
    main()
