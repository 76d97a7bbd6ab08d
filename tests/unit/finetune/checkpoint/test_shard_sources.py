# SPDX-License-Identifier: Apache-2.0
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from node0.errors import SwarmTimeout
from node0.finetune.checkpoint import shard_sources
from node0.finetune.checkpoint.shard_sources import ShardSources, Trust
from node0.swarm.records.shards import Announced, Announcement, open_announcement, sign_announcement
from node0.swarm.run.identity import Identity, make_identity

BASE = "b" * 64
RIGHT, WRONG = "c" * 64, "d" * 64


class FakeDht:
    """Records of one key, after so many failures."""

    addresses: tuple[str, ...] = ()

    def __init__(self, *sealed: object, failures: int = 0) -> None:
        self._records, self._failures = dict(enumerate(sealed)), failures

    def get(self, key: str) -> Mapping[int, object]:
        if self._failures:
            self._failures -= 1
            raise SwarmTimeout("no answer")
        return self._records


@pytest.fixture(scope="module")
def holders(tmp_path_factory: pytest.TempPathFactory) -> list[Identity]:
    """Sorted by peer id."""
    keys = tmp_path_factory.mktemp("keys")
    made = [make_identity(Path(keys) / f"{number}.key") for number in range(3)]
    return sorted(made, key=lambda identity: identity.peer_id)


def _sealed(holder: Identity, sha256: str = RIGHT, **changes: Any) -> bytes:
    given = {"run": "r", "stage": "solo-0", "step": 1, "sha256": sha256, "bytes": 9, "base_digest": BASE}
    return sign_announcement(Announcement(**{**given, **changes}), holder)[2]


KEY = "r_checkpoint_1_solo-0"


def _found(dht: Any, trust: Trust | None = None, **given: Any) -> list[tuple[str, str]]:
    begun: Announced | None = given.pop("begun", None)
    found = ShardSources(trust or Trust()).find(
        dht, KEY, begun=begun, wanted=given.pop("wanted", None), **given
    )
    return [(each.peer_id, each.announcement.sha256) for each in found]


def test_what_most_announced_is_asked_for_first(holders: list[Identity]) -> None:
    first, second, third = holders
    dht = FakeDht(_sealed(first, WRONG), _sealed(third), _sealed(second))

    assert _found(dht) == [(second.peer_id, RIGHT), (third.peer_id, RIGHT), (first.peer_id, WRONG)]


def test_what_was_begun_comes_before_what_most_announced(holders: list[Identity]) -> None:
    first, second, third = holders
    dht = FakeDht(_sealed(first), _sealed(second), _sealed(third, WRONG))

    assert _found(dht, begun=open_announcement(_sealed(third, WRONG)))[0] == (third.peer_id, WRONG)


def test_what_gave_wrong_bytes_neither_counts_nor_is_asked(holders: list[Identity]) -> None:
    first, second, third = holders
    dht = FakeDht(_sealed(first, WRONG), _sealed(second, WRONG), _sealed(third))

    refused = {(first.peer_id, WRONG), (second.peer_id, WRONG)}

    assert _found(dht, refused=refused) == [(third.peer_id, RIGHT)]
    assert _found(dht, wanted=RIGHT) == [(third.peer_id, RIGHT)]


def test_only_trusted_announcements_count_and_each_reason_is_logged_once(
    holders: list[Identity], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    good, stranger, _ = holders
    trust = Trust(frozenset({good.peer_id}), BASE)
    dht: Any = FakeDht(
        _sealed(good), _sealed(stranger), _sealed(good, base_digest="e" * 64), _sealed(good, step=2), b"junk"
    )
    sources = ShardSources(trust)

    looks = [sources.find(dht, KEY, begun=None, wanted=None) for _ in range(3)]

    assert [[each.peer_id for each in look] for look in looks] == [[good.peer_id]] * 3
    assert len(caplog.messages) == 4
    monkeypatch.setattr(shard_sources, "MOST_REASONS", 4)
    sources.find(dht, "another_key", begun=None, wanted=None)
    assert len(caplog.messages) == 4


def test_a_dht_that_does_not_answer_is_asked_again_and_then_left(holders: list[Identity]) -> None:
    sealed = _sealed(holders[0])

    assert len(_found(FakeDht(sealed, failures=1))) == 1
    assert _found(FakeDht(sealed, failures=9)) == []
    # What was begun counts where no record does.
    begun = open_announcement(sealed)
    assert _found(FakeDht(failures=9), begun=begun) == [(holders[0].peer_id, RIGHT)]
    assert _found(FakeDht(), Trust(frozenset()), begun=begun) == []
