# SPDX-License-Identifier: Apache-2.0
"""What every kind of store offers: transactions to read, and transactions to write with a reason."""

import os
import pwd
from contextlib import AbstractContextManager
from typing import Protocol

from sqlalchemy import Connection

Transaction = Connection
"What the queries of this package are made in, for those who make several and write no SQL."


class Store(Protocol):
    """One database with the tables of `node0.store.tables`, at the newest migration."""

    @property
    def where(self) -> str:
        """Its place, fit for a message: no password."""
        ...

    def read(self) -> AbstractContextManager[Transaction]:
        """Several queries that see one state.

        Raises:
            StoreUnavailable: it is locked or does not answer.
            ConfigError: it cannot be read or is no store.
        """
        ...

    def write(self, why: str) -> AbstractContextManager[Transaction]:
        """All or nothing, one writer at a time: what it reads stays true until it ends.

        Args:
            why: what changes, in a few words; where the store keeps a history, this is its message.

        Raises:
            StoreUnavailable: another process writes for too long, or the store does not answer.
            ConfigError: it cannot be written or is no store.
        """
        ...

    def close(self) -> None:
        """Let go of it."""
        ...


def actor() -> str:
    """Who changes a store: the name of this process's user."""
    user = os.geteuid()
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return f"uid {user}"
