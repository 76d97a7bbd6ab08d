# SPDX-License-Identifier: Apache-2.0
import time
from collections.abc import Iterator

import pytest
from hivemind.dht.routing import DHTID
from hivemind.utils import timed_storage
from hypothesis import given, settings
from hypothesis import strategies as st

from node0.swarm.peer.record_storage import NoStorage, RecordStorage

KEYS = [DHTID.generate(source=str(number)) for number in range(200)]
LATER = time.time() + 3600


@pytest.fixture
def storage() -> RecordStorage:
    return RecordStorage(lambda subkey: subkey != "stranger", most_bytes=100, most_of_one=3)


def test_a_record_is_kept_until_a_later_one_comes(storage: RecordStorage) -> None:
    taken = [
        storage.store(KEYS[0], b"old", LATER, subkey="a"),
        storage.store(KEYS[0], b"new", LATER + 1, subkey="a"),
        storage.store(KEYS[0], b"replayed", LATER, subkey="a"),
        storage.store(KEYS[0], b"as long", LATER + 1, subkey="a"),
    ]

    assert taken == [True, True, False, False]
    held = storage.get(KEYS[0])
    assert held is not None
    assert held.value.get("a").value == b"new"


def test_what_has_no_subkey_or_is_a_strangers_is_not_kept(storage: RecordStorage) -> None:
    assert not storage.store(KEYS[0], b"all", LATER)
    assert not storage.store_subkey(KEYS[0], "stranger", b"v", LATER)
    assert len(storage) == 0


def test_who_stores_too_many_pushes_out_its_own(storage: RecordStorage) -> None:
    assert storage.store(KEYS[9], b"v", LATER, subkey="quiet")
    for number in range(6):
        assert storage.store(KEYS[number], b"v", LATER + number, subkey="mad")

    held = {key for key, _ in storage.items()}
    assert held == {KEYS[9], KEYS[3], KEYS[4], KEYS[5]}, "those of the mad one that live longest"


def test_all_together_have_a_bound(storage: RecordStorage) -> None:
    assert storage.store(KEYS[0], bytes(60), LATER, subkey="a")
    assert not storage.store(KEYS[1], bytes(60), LATER, subkey="b")
    assert storage.store(KEYS[0], bytes(90), LATER + 1, subkey="a"), "in the place of its own"
    assert storage.nbytes == 90


@settings(max_examples=50)
@given(st.lists(st.tuples(st.integers(0, 199), st.sampled_from("abcd"), st.integers(1, 9)), max_size=60))
def test_no_order_of_calls_passes_the_bounds(calls: list[tuple[int, str, int]]) -> None:
    storage = RecordStorage(lambda _: True, most_bytes=100, most_of_one=3)
    for number, (key, subkey, size) in enumerate(calls):
        storage.store(KEYS[key], bytes(size), LATER + number % 7, subkey=subkey)

    kept = [subkey for _, held in storage.items() for subkey, _ in held.value.items()]
    assert storage.nbytes <= 100
    assert all(kept.count(subkey) <= 3 for subkey in "abcd")


def test_a_record_that_is_renewed_for_ever_takes_no_more_room(storage: RecordStorage) -> None:
    for number in range(5000):
        assert storage.store(KEYS[0], b"v", LATER + number, subkey="a")
        storage.store(KEYS[0], b"v", LATER - number, subkey="a")

    held = storage.data[KEYS[0]].value
    assert max(len(storage.expiration_heap), len(held.expiration_heap)) < 50


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    now = [1e9]
    monkeypatch.setattr(timed_storage, "get_dht_time", lambda: now[0])
    yield now


def test_what_has_expired_is_gone_and_makes_room(clock: list[float]) -> None:
    storage = RecordStorage(lambda _: True, most_bytes=10)
    assert storage.store(KEYS[0], bytes(10), clock[0] + 5, subkey="a")
    assert not storage.store(KEYS[1], bytes(10), clock[0] + 50, subkey="b")
    clock[0] += 6

    assert storage.store(KEYS[1], bytes(10), clock[0] + 50, subkey="b")
    assert storage.get(KEYS[0]) is None


def test_nothing_is_cached_for_others() -> None:
    storage = NoStorage()

    assert not storage.store(KEYS[0], b"v", LATER, subkey="a")
    assert not storage.store_subkey(KEYS[0], "a", b"v", LATER)
    assert len(storage) == 0
