# SPDX-License-Identifier: Apache-2.0
import dataclasses
import logging
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, NamedTuple

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from hivemind.dht.routing import DHTID
from hivemind.dht.schema import SchemaValidator
from hivemind.dht.validation import CompositeValidator, DHTRecord
from hivemind.utils.serializer import MSGPackSerializer
from pydantic.v1 import ValidationError

from node0.errors import ConfigError
from node0.security import validation
from node0.security.signature import peer_id_of
from node0.swarm.records import peer_metrics
from node0.swarm.records.peer_metrics import (
    TrainingMetricsV1,
    WorkerMetricsV1,
    make_validators,
    peer_id_of_subkey,
    training_metrics,
)

KEYS = [generate_private_key(public_exponent=65537, key_size=2048) for _ in range(2)]
RUN, STAGE = "run", "tail-2"


class Peer(NamedTuple):
    peer_id: str
    subkey: bytes
    validator: CompositeValidator


def _peer(key: RSAPrivateKey) -> Peer:
    peer_id = peer_id_of(key.public_key())
    validators, subkey = make_validators(RUN, peer_id, STAGE, private_key=key)
    return Peer(peer_id, subkey, CompositeValidator(validators))


ME, OTHER = map(_peer, KEYS)
GOOD = {"peer_id": ME.peer_id, "step": 3, "loss": 2.5, "role": "deacon", "corpus_hash": "ab"}


def _record(value: object, *, subkey: object = ME.subkey, name: str = "training_metrics") -> DHTRecord:
    key = DHTID.generate(source=f"{RUN}_{STAGE}_{name}").to_bytes()
    return DHTRecord(key, MSGPackSerializer.dumps(subkey), MSGPackSerializer.dumps(value), 1e12)


def _signed(record: DHTRecord, by: Peer = ME) -> DHTRecord:
    return dataclasses.replace(record, value=by.validator.sign_value(record))


def test_a_good_record_is_taken_by_another_peer() -> None:
    worker = {"peer_id": ME.peer_id, "num_flop": 1e9, "active_time": 0.5}

    assert OTHER.validator.validate(_signed(_record(GOOD)))
    assert OTHER.validator.validate(_signed(_record(worker, name="worker_metrics")))


@pytest.mark.parametrize(
    "value",
    [
        {**GOOD, "step": 3.0},
        {**GOOD, "step": True},
        {**GOOD, "step": "3"},
        {**GOOD, "step": -1},
        {**GOOD, "loss": 2},
        {**GOOD, "loss": float("nan")},
        {**GOOD, "loss": float("inf")},
        {**GOOD, "role": None},
        {**GOOD, "role": "x" * 1000},
        {**GOOD, "extra": 1},
        {name: value for name, value in GOOD.items() if name != "loss"},
        {**GOOD, "peer_id": OTHER.peer_id},
        {**GOOD, "peer_id": "somebody"},
        [GOOD],
        "text",
        None,
    ],
)
def test_a_record_of_another_shape_is_refused(value: object) -> None:
    assert not OTHER.validator.validate(_signed(_record(value)))


def test_a_record_that_another_key_signed_is_refused() -> None:
    taken = _signed(_record(GOOD))

    assert not OTHER.validator.validate(_record(GOOD))
    assert not OTHER.validator.validate(
        dataclasses.replace(taken, value=_signed(_record({**GOOD, "step": 4})).value[:-1])
    )
    assert not OTHER.validator.validate(dataclasses.replace(taken, expiration_time=2e12))
    forged = dataclasses.replace(
        _record(GOOD), value=_signed(_record(GOOD, subkey=OTHER.subkey), OTHER).value
    )
    assert not OTHER.validator.validate(forged)


@pytest.mark.parametrize(
    "subkey",
    [
        None,
        b"mine",
        b"[owner:ssh-rsa AAAA]",
        b"[owner:" + b"A" * 400 + b"]",
        b"x" + ME.subkey,
        ME.subkey + ME.subkey,
        ME.subkey.decode(),
    ],
)
def test_a_subkey_that_is_no_public_key_is_refused(subkey: object) -> None:
    assert not OTHER.validator.validate(_signed(_record(GOOD, subkey=subkey)))


@pytest.mark.parametrize("data", [b"", b"\xc1", b"\x81" * 5000, b"\xd9\xff", b"\xdf\xff\xff\xff\xff"])
def test_random_bytes_are_refused_and_raise_nothing(data: bytes) -> None:
    record = _signed(dataclasses.replace(_record(GOOD), value=data))

    assert not OTHER.validator.validate(record)
    assert not OTHER.validator.validate(dataclasses.replace(record, subkey=data))


def test_a_refusal_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    validator = _peer(KEYS[1]).validator
    with caplog.at_level(logging.WARNING):
        for step in range(3):
            assert not validator.validate(_signed(_record({**GOOD, "step": -step - 1})))

    assert len(caplog.messages) == 1 and "refused a DHT record" in caplog.messages[0]


def test_records_of_other_keys_are_not_judged() -> None:
    record = _record({"anything": 1}, subkey=b"mine", name="announcements")

    assert OTHER.validator.validate(record)


def test_a_key_of_another_peer_cannot_sign_for_this_one() -> None:
    with pytest.raises(ConfigError, match=f"peer {ME.peer_id}, not of {OTHER.peer_id}"):
        make_validators(RUN, OTHER.peer_id, STAGE, private_key=KEYS[0])


def test_without_a_key_the_schemas_still_hold() -> None:
    validators, subkey = make_validators(RUN, "me", STAGE)
    validator = CompositeValidator(validators)

    def judged(value: object) -> bool:
        record = _record(value, subkey=subkey)
        return validator.validate(dataclasses.replace(record, value=validator.sign_value(record)))

    assert len([v for v in validators if isinstance(v, SchemaValidator)]) == 2
    assert judged(GOOD) and not judged({**GOOD, "extra": 1})


def test_a_subkey_names_its_peer() -> None:
    assert peer_id_of_subkey(ME.subkey) == ME.peer_id
    with pytest.raises(ValueError, match="no public key"):
        peer_id_of_subkey(b"mine")


@pytest.mark.parametrize(
    "make",
    [
        lambda: TrainingMetricsV1(**{**GOOD, "step": "3"}),
        lambda: TrainingMetricsV1(**{**GOOD, "loss": float("nan")}),
        lambda: TrainingMetricsV1(peer_id="me"),
        lambda: WorkerMetricsV1(peer_id="me", num_flop=-1.0, active_time=0.0),
    ],
)
def test_metrics_that_are_wrong_cannot_be_made(make: Callable[[], Any]) -> None:
    assert TrainingMetricsV1(**GOOD).dict() == GOOD
    with pytest.raises(ValidationError):
        make()


class OneKey:
    """A DHT that holds what strangers wrote under one key."""

    addresses: ClassVar[list[str]] = []

    def __init__(self, key: str, records: Mapping[bytes, object]) -> None:
        self._key, self._records = key, records

    def store(self, *_: object, **__: object) -> bool:
        return False

    def get(self, key: str) -> Mapping[bytes, object]:
        return self._records if key == self._key else {}


def test_metrics_are_read_furthest_first_without_malformed_ones() -> None:
    records = {
        b"1": "text",
        b"2": {**GOOD, "peer_id": "Qm2", "step": 4},
        b"3": {**GOOD, "peer_id": "Qm3", "step": 5},
        b"4": {**GOOD, "extra": 1},
        b"5": {**GOOD, "peer_id": "Qm1", "step": 4},
    }
    dht = OneKey(f"{RUN}_{STAGE}_training_metrics", records)

    assert [one.peer_id for one in training_metrics(dht, RUN, STAGE)] == ["Qm3", "Qm1", "Qm2"]
    assert training_metrics(dht, RUN, "head-0") == []


def test_the_plans_path_gives_the_same_names() -> None:
    for name in validation.__all__:
        assert getattr(validation, name) is getattr(peer_metrics, name)
