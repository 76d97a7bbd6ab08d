# SPDX-License-Identifier: Apache-2.0
"""What a peer keeps of the DHT: records in subkeys, of peers that may, and no more than fits.

hivemind's storage grows with every call: it has no bound, and remembers the time of expiry of each record
that it was ever offered, also of those that it did not take.
"""

import heapq
from collections.abc import Callable
from typing import Any

from hivemind.dht.routing import DHTID
from hivemind.dht.storage import DHTLocalStorage, DictionaryDHTValue

MOST_BYTES = 32 << 20
"Of all values together; records of peers that have none yet are refused first."

MOST_OF_ONE = 16
"Records with one subkey, which is one peer's: the first to expire makes room for another."


class RecordStorage(DHTLocalStorage):  # type: ignore[misc]  # hivemind has no types
    """hivemind's storage with bounds. All records of ours lie in subkeys; others are refused."""

    def __init__(
        self, admits: Callable[[Any], bool], *, most_bytes: int = MOST_BYTES, most_of_one: int = MOST_OF_ONE
    ) -> None:
        """`admits`: whether a subkey's owner may store here; `most_of_one` and `most_bytes` as above."""
        super().__init__()
        self._admits, self._most_bytes, self._most_of_one = admits, most_bytes, most_of_one

    def store(self, key: DHTID, value: Any, expiration_time: float, subkey: Any = None) -> bool:
        """Keep a record in a subkey; whether it was taken."""
        return subkey is not None and self.store_subkey(key, subkey, value, expiration_time)

    def store_subkey(self, key: DHTID, subkey: Any, value: bytes, expiration_time: float) -> bool:
        """Keep a record unless what is there lives as long; whether it was taken."""
        known = self._record(key, subkey)
        if not self._admits(subkey) or (known is not None and expiration_time <= known.expiration_time):
            return False
        self._make_room(key, subkey)
        if self.nbytes + len(value) - (len(known.value) if known is not None else 0) > self._most_bytes:
            return False
        is_taken = bool(super().store_subkey(key, subkey, value, expiration_time))
        _forget_former(self)
        if key in self.data:
            _forget_former(self.data[key].value)
        return is_taken

    @property
    def nbytes(self) -> int:
        """Bytes of all values."""
        return sum(len(value) for _, held in self.items() for _, (value, _) in held.value.items())

    def _record(self, key: DHTID, subkey: Any) -> Any:
        held = self.get(key)
        return None if held is None else held.value.get(subkey)

    def _make_room(self, key: DHTID, subkey: Any) -> None:
        """Drop a record of the same subkey where there would be too many."""
        keys = [(other, found) for other in list(self.data) if (found := self._record(other, subkey))]
        if len(keys) < self._most_of_one or any(other == key for other, _ in keys):
            return
        first, _ = min(keys, key=lambda pair: pair[1].expiration_time)
        records: DictionaryDHTValue = self.data[first].value
        del records[subkey]
        if not records:
            del self[first]


class NoStorage(DHTLocalStorage):  # type: ignore[misc]  # hivemind has no types
    """Keeps nothing: what others ask to cache is theirs to find again."""

    def store(self, key: DHTID, value: Any, expiration_time: float, subkey: Any = None) -> bool:
        """Refuse it."""
        return False

    def store_subkey(self, key: DHTID, subkey: Any, value: bytes, expiration_time: float) -> bool:
        """Refuse it."""
        return False


def _forget_former(storage: Any) -> None:
    """Drop times of expiry of records that have been replaced, which only take room."""
    if len(storage.expiration_heap) > 2 * len(storage.data) + 16:
        storage.expiration_heap = list(storage.key_to_heap.values())
        heapq.heapify(storage.expiration_heap)
