# SPDX-License-Identifier: Apache-2.0

import msgpack
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from hivemind.dht.routing import DHTID
from hivemind.dht.validation import DHTRecord
from hivemind.utils.serializer import MSGPackSerializer

from node0.security.signature import peer_id_of, seal
from node0.swarm.records.members import MembersValidator, members_key, open_member, read_members, seal_member

KEYS = [generate_private_key(public_exponent=65537, key_size=2048) for _ in range(2)]
IDS = [peer_id_of(key.public_key()) for key in KEYS]
RUN = "run"
UNTIL = 2e9
SEALED = seal_member({"about": {}}, key=KEYS[0], run_id=RUN, until=UNTIL)


def _member(value: object = SEALED, *, subkey: bytes | None = None, until: float = UNTIL) -> DHTRecord:
    key = DHTID.generate(source=members_key(RUN)).to_bytes()
    subkey = MSGPackSerializer.dumps(IDS[0]) if subkey is None else subkey
    return DHTRecord(key, subkey, MSGPackSerializer.dumps(value), until)


def test_a_member_announces_itself() -> None:
    assert MembersValidator(RUN).validate(_member())


@pytest.mark.parametrize(
    "record",
    [
        _member(subkey=MSGPackSerializer.dumps(IDS[1])),
        _member(until=UNTIL + 1),
        _member(subkey=b""),
        _member(seal_member({}, key=KEYS[1], run_id=RUN, until=UNTIL)),
        _member(seal_member({}, key=KEYS[0], run_id="another", until=UNTIL)),
        _member(seal(b"", key=KEYS[0], purpose=f"node0.member/1 {RUN}")),
        _member(SEALED[:-1]),
        _member(7),
    ],
)
def test_nobody_else_writes_for_a_member(record: DHTRecord, caplog: pytest.LogCaptureFixture) -> None:
    validator = MembersValidator(RUN)

    assert not any(validator.validate(record) for _ in range(3))
    assert len(caplog.messages) == 1
    assert MembersValidator("another").validate(record)


def _sealed(number: int, *, run_id: str = RUN, **content: object) -> bytes:
    given = {"addresses": ["/ip4/127.0.0.1/tcp/4100"], "about": {"time": 7.0, "place": 1}, **content}
    return seal_member(given, key=KEYS[number], run_id=run_id, until=UNTIL)


def test_members_are_read_in_the_order_of_their_ids() -> None:
    found = read_members({IDS[0]: _sealed(0), IDS[1]: _sealed(1)}, run_id=RUN, allowed=None)

    assert [each.peer_id for each in found] == sorted(IDS)
    assert found[0].addresses == ["/ip4/127.0.0.1/tcp/4100"]
    assert (found[0].at, found[0].about["place"]) == (7.0, 1)


def test_members_that_are_not_allowed_are_left_out() -> None:
    records = {IDS[0]: _sealed(0), IDS[1]: _sealed(1)}

    assert [each.peer_id for each in read_members(records, run_id=RUN, allowed={IDS[1]})] == [IDS[1]]
    assert read_members(records, run_id=RUN, allowed=set()) == []


@pytest.mark.parametrize(
    "sealed",
    [
        b"",
        _sealed(0, run_id="another"),
        _sealed(0, addresses=None),
        _sealed(0, about={}),
        _sealed(0, about={"time": "noon"}),
        _sealed(0, about=None),
    ],
)
def test_a_record_that_no_host_writes_is_left_out(sealed: bytes) -> None:
    found = read_members({IDS[0]: sealed, IDS[1]: _sealed(1)}, run_id=RUN, allowed=None)

    assert [each.peer_id for each in found] == [IDS[1]]


def test_a_sealed_member_says_how_long_its_record_lives() -> None:
    opened = open_member(_sealed(0), run_id=RUN)

    assert opened.peer_id == IDS[0]
    assert msgpack.unpackb(opened.payload)["until"] == UNTIL
