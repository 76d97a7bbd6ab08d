# SPDX-License-Identifier: Apache-2.0
import math
import time

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from hivemind.dht.routing import DHTID
from hivemind.dht.validation import CompositeValidator, DHTRecord
from hivemind.utils.serializer import MSGPackSerializer
from hypothesis import given
from hypothesis import strategies as st

from node0.security.signature import peer_id_of
from node0.swarm.records.members import members_key, seal_member
from node0.swarm.records.own_keys import (
    CLOCK_SKEW,
    LONGEST_LIFE,
    LONGEST_SUBKEY,
    OwnKeys,
    owner_of_subkey,
    run_validators,
)
from node0.swarm.records.peer_metrics import make_validators, metrics_key
from node0.swarm.records.shards import LARGEST, Announcement, sign_announcement
from node0.swarm.run.identity import Identity
from node0.swarm.run.swarm_run import TRAINER

KEY = generate_private_key(public_exponent=65537, key_size=2048)
OWNER = Identity(peer_id_of(KEY.public_key()), KEY)
RUN, NOW = "harbor", 1e9


def _record(key: str, *, subkey: object = "x", value: bytes = b"v", until: float = NOW + 60) -> DHTRecord:
    return DHTRecord(DHTID.generate(source=key).to_bytes(), MSGPackSerializer.dumps(subkey), value, until)


def _shard(run: str) -> DHTRecord:
    announcement = Announcement(run=run, stage="solo-0", step=3, sha256="a" * 64, bytes=5, base_digest="b")
    key, subkey, sealed = sign_announcement(announcement, OWNER)
    return _record(key, subkey=subkey, value=MSGPackSerializer.dumps(sealed), until=time.time() + 60)


@pytest.mark.parametrize(
    "key",
    [members_key(RUN), *(metrics_key(RUN, TRAINER, f"{kind}_metrics") for kind in ("worker", "training"))],
)
def test_a_run_keeps_records_of_its_own_keys(key: str) -> None:
    assert OwnKeys(RUN, clock=lambda: NOW).validate(_record(key))
    assert not OwnKeys("another", clock=lambda: NOW).validate(_record(key))


@given(st.text(max_size=40))
def test_no_other_key_is_kept(name: str) -> None:
    assert not OwnKeys(RUN, clock=lambda: NOW).validate(_record(name))


@pytest.mark.parametrize(
    "record",
    [
        _record(members_key(RUN), value=bytes(LARGEST + 1)),
        _record(members_key(RUN), subkey="s" * LONGEST_SUBKEY),
        _record(members_key(RUN), until=NOW + LONGEST_LIFE + CLOCK_SKEW + 1),
        _record(members_key(RUN), until=math.inf),
        _record(members_key(RUN), until=math.nan),
        _record("any", subkey=["shard:"]),
        DHTRecord(b"any", b"\xc1", b"v", NOW),
    ],
)
def test_what_is_out_of_bounds_is_refused(record: DHTRecord) -> None:
    assert not OwnKeys(RUN, clock=lambda: NOW).validate(record)


def test_the_announcement_of_a_shard_must_be_of_the_run() -> None:
    validator = CompositeValidator(run_validators(RUN))

    assert validator.validate(_shard(RUN))
    assert not validator.validate(_shard("another"))
    assert not validator.validate(_record("any", subkey="shard:x", until=time.time() + 60))


def test_bounds_are_looked_at_before_signatures(monkeypatch: pytest.MonkeyPatch) -> None:
    metrics, _ = make_validators(RUN, OWNER.peer_id, TRAINER, private_key=KEY)
    validator = CompositeValidator([*metrics, *run_validators(RUN)])
    monkeypatch.setattr(type(metrics[0]), "check", lambda *_: pytest.fail("it looked at the signature"))

    assert not validator.validate(_record("any", until=time.time() + 60))


def test_a_member_of_the_run_passes_all_checks() -> None:
    metrics, subkey = make_validators(RUN, OWNER.peer_id, TRAINER, private_key=KEY)
    until = time.time() + 60
    sealed = seal_member({"about": {}}, key=KEY, run_id=RUN, until=until)
    value = MSGPackSerializer.dumps(sealed)

    found = _record(members_key(RUN), subkey=OWNER.peer_id, value=value, until=until)

    assert CompositeValidator([*metrics, *run_validators(RUN)]).validate(found)
    assert owner_of_subkey(subkey) == owner_of_subkey(f"shard:{OWNER.peer_id}") == OWNER.peer_id


@pytest.mark.parametrize("subkey", [7, None, b"", b"no key", ["a"], b"[owner:ssh-rsa AAAA]"])
def test_a_subkey_of_nobody_has_no_owner(subkey: object) -> None:
    assert owner_of_subkey(subkey) is None
