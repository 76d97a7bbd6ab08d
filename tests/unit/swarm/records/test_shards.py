# SPDX-License-Identifier: Apache-2.0
from pathlib import Path
from typing import Any

import msgpack
import pytest
from hivemind.dht.routing import DHTID
from hivemind.dht.validation import DHTRecord
from hivemind.utils.serializer import MSGPackSerializer

from node0.errors import BadSignature
from node0.security.signature import seal
from node0.swarm.records.shards import (
    LARGEST,
    Announcement,
    ShardsValidator,
    open_announcement,
    sign_announcement,
)
from node0.swarm.run.identity import Identity, make_identity

GIVEN: dict[str, Any] = {
    "run": "harbor",
    "stage": "body-1",
    "step": 5,
    "sha256": "a" * 64,
    "bytes": 10,
    "base_digest": "b" * 64,
    "addresses": ["/ip4/127.0.0.1/tcp/4100"],
}


@pytest.fixture(scope="module")
def owner(tmp_path_factory: pytest.TempPathFactory) -> Identity:
    return make_identity(tmp_path_factory.mktemp("keys") / "owner.key")


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Identity:
    return make_identity(tmp_path_factory.mktemp("keys") / "other.key")


def record(key: str, subkey: object, value: object) -> DHTRecord:
    return DHTRecord(
        DHTID.generate(source=key).to_bytes(),
        MSGPackSerializer.dumps(subkey),
        MSGPackSerializer.dumps(value),
        1e10,
    )


def test_an_announcement_comes_back_with_the_peer_that_signed_it(owner: Identity) -> None:
    key, subkey, sealed = sign_announcement(Announcement(**GIVEN), owner)

    found = open_announcement(sealed)

    assert key == "harbor_checkpoint_5_body-1"
    assert subkey.endswith(owner.peer_id)
    assert found.peer_id == owner.peer_id
    assert found.announcement == Announcement(**GIVEN)


def test_a_changed_byte_is_refused(owner: Identity) -> None:
    _, _, sealed = sign_announcement(Announcement(**GIVEN), owner)
    changed = bytearray(sealed)
    changed[-5] ^= 1

    with pytest.raises(BadSignature, match="not signed"):
        open_announcement(bytes(changed))


@pytest.mark.parametrize(
    "change",
    [
        {"stage": "../../x"},
        {"stage": "body-1\n"},
        {"sha256": "../" + "a" * 61},
        {"sha256": "A" * 64},
        {"bytes": -1},
        {"bytes": True},
        {"bytes": "10"},
        {"step": -1},
        {"addresses": ["x"] * 9},
        {"addresses": "x"},
        {"run": ""},
        {"more": 1},
    ],
    ids=str,
)
def test_what_no_holder_writes_is_refused_though_it_is_signed(
    owner: Identity, change: dict[str, object]
) -> None:
    sealed = seal(msgpack.packb({**GIVEN, **change}), key=owner.private_key, purpose="node0.shard/1")

    with pytest.raises(BadSignature, match="announces no shard"):
        open_announcement(sealed)


@pytest.mark.parametrize("garbage", [None, 5, "text", b"", b"\x00" * 50, b"x" * (LARGEST + 1)])
def test_garbage_is_refused(garbage: object) -> None:
    with pytest.raises(BadSignature):
        open_announcement(garbage)


def test_payload_that_is_no_msgpack_is_refused(owner: Identity) -> None:
    sealed = seal(b"\xc1\xff", key=owner.private_key, purpose="node0.shard/1")

    with pytest.raises(BadSignature, match="announces no shard"):
        open_announcement(sealed)


def test_only_its_owner_may_write_a_subkey(owner: Identity, other: Identity) -> None:
    validator = ShardsValidator()
    key, subkey, sealed = sign_announcement(Announcement(**GIVEN), owner)
    _, others, forged = sign_announcement(Announcement(**GIVEN), other)

    assert validator.validate(record(key, subkey, sealed))
    assert validator.validate(record(key, others, forged))
    assert not validator.validate(record(key, subkey, forged))
    assert not validator.validate(record(key, subkey, b"junk"))
    assert not validator.validate(record(key, subkey, 5))


def test_an_announcement_counts_under_its_own_key_only(owner: Identity) -> None:
    _, subkey, sealed = sign_announcement(Announcement(**GIVEN), owner)

    assert not ShardsValidator().validate(record("harbor_checkpoint_6_body-1", subkey, sealed))


def test_other_records_are_not_judged() -> None:
    validator = ShardsValidator()

    assert validator.validate(record("key", "subkey", "value"))
    assert validator.validate(record("key", 5, "value"))
    assert validator.validate(DHTRecord(b"key", b"", b"value", 1e10))
    assert validator.validate(DHTRecord(b"key", b"\xc1", b"value", 1e10))


def test_a_key_file_signs_as_the_peer_that_it_makes(tmp_path: Path) -> None:
    made = make_identity(tmp_path / "peer.key")

    assert open_announcement(sign_announcement(Announcement(**GIVEN), made)[2]).peer_id == made.peer_id
