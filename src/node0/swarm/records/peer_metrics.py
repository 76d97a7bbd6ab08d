# SPDX-License-Identifier: Apache-2.0
"""The DHT record of a peer's metrics, and the checks that every peer makes of it.

A record lies under `{experiment_prefix}_{stage}_worker_metrics` or `..._training_metrics`, in a subkey
that is its owner's public key. It is taken when the owner's signature fits, its fields have
the types below and no others, and `peer_id` is the id that follows from the key.
"""

import logging
from typing import Any

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_ssh_public_key,
)
from hivemind.dht.crypto import RSASignatureValidator
from hivemind.dht.routing import DHTID
from hivemind.dht.schema import BytesWithPublicKey, SchemaValidator
from hivemind.dht.validation import DHTRecord, RecordValidatorBase
from hivemind.utils.crypto import RSAPrivateKey as SigningKey
from hivemind.utils.serializer import MSGPackSerializer
from pydantic.v1 import BaseModel, StrictFloat, StrictInt, StrictStr, ValidationError, validator

from node0.errors import ConfigError
from node0.security.signature import peer_id_of
from node0.swarm.records.dht import Dht
from node0.swarm.records.refusing import RefusingValidator

logger = logging.getLogger(__name__)

LONGEST_TEXT = 256
_BEFORE_KEY, _AFTER_KEY = RSASignatureValidator.PUBLIC_KEY_FORMAT.split(b"_key_")


class _Metrics(BaseModel):
    class Config:
        extra = "forbid"

    @validator("*")
    def _is_small(cls, value: Any) -> Any:
        if isinstance(value, str) and len(value) > LONGEST_TEXT:
            raise ValueError("too long")
        if isinstance(value, float | int) and not 0 <= value < float("inf"):
            raise ValueError("not a finite number from 0")
        return value


class WorkerMetricsV1(_Metrics):
    """What a peer has computed since its last report."""

    peer_id: StrictStr
    num_flop: StrictFloat
    active_time: StrictFloat


class TrainingMetricsV1(_Metrics):
    """Where training stands, as one peer sees it."""

    peer_id: StrictStr
    step: StrictInt
    loss: StrictFloat
    role: StrictStr
    corpus_hash: StrictStr


class MetricSchema(BaseModel):
    """The DHT key of `WorkerMetricsV1`, by public key."""

    worker_metrics: dict[BytesWithPublicKey, WorkerMetricsV1]


class TrainingMetricSchema(BaseModel):
    """The DHT key of `TrainingMetricsV1`, by public key."""

    training_metrics: dict[BytesWithPublicKey, TrainingMetricsV1]


METRICS_KINDS = (*MetricSchema.__fields__, *TrainingMetricSchema.__fields__)
"Of a stage's metrics, as `metrics_key` names them."


def metrics_prefix(experiment_prefix: str, stage: str) -> str:
    """What the DHT keys of a stage's metrics begin with."""
    return f"{experiment_prefix}_{stage}"


def make_validators(
    experiment_prefix: str, peer_id: object, stage: str, *, private_key: RSAPrivateKey | None = None
) -> tuple[list[RecordValidatorBase], bytes]:
    """The checks for a stage's metrics, and the subkey under which this peer writes its own.

    Args:
        experiment_prefix: name of the run.
        peer_id: this peer, as text or as hivemind's PeerID.
        stage: whose metrics.
        private_key: the peer's identity. Without it hivemind's key of this process signs, and
            `peer_id` in a record is not compared with the key that signed it.

    Raises:
        ConfigError: the key is another peer's.
    """
    prefix = metrics_prefix(experiment_prefix, stage)
    signatures = _Signatures(_signing_key(private_key) if private_key is not None else None)
    validators: list[RecordValidatorBase] = [
        signatures,
        _Schema(MetricSchema, prefix=prefix),
        _Schema(TrainingMetricSchema, prefix=prefix),
    ]
    if private_key is not None:
        owner = peer_id_of(private_key.public_key())
        if str(peer_id) != owner:
            raise ConfigError(
                f"the key is that of peer {owner}, not of {peer_id}; give the identity of the peer"
            )
        validators.append(_Owners(prefix))
    return validators, signatures.local_public_key


def metrics_key(experiment_prefix: str, stage: str, kind: str) -> str:
    """The DHT key of one kind of a stage's metrics: `worker_metrics` or `training_metrics`."""
    return f"{metrics_prefix(experiment_prefix, stage)}_{kind}"


def training_metrics(dht: Dht, experiment_prefix: str, stage: str) -> list[TrainingMetricsV1]:
    """What the peers of a stage last published, the furthest first; malformed records are left out."""
    metrics = []
    for value in dht.get(metrics_key(experiment_prefix, stage, "training_metrics")).values():
        try:
            metrics.append(TrainingMetricsV1.parse_obj(value))
        except ValidationError as error:
            logger.debug("left out metrics: %s", error)
    return sorted(metrics, key=lambda one: (-one.step, one.peer_id))


def peer_id_of_subkey(subkey: bytes) -> str:
    """The peer whose public key a subkey is.

    Raises:
        ValueError: it is none.
    """
    if not (subkey.startswith(_BEFORE_KEY) and subkey.endswith(_AFTER_KEY)):
        raise ValueError("the subkey is no public key")
    key = load_ssh_public_key(subkey[len(_BEFORE_KEY) : -len(_AFTER_KEY)])
    if not isinstance(key, RSAPublicKey):
        raise ValueError("the subkey is no RSA key")
    return peer_id_of(key)


class _Signatures(RefusingValidator, RSASignatureValidator):  # type: ignore[misc]  # hivemind has no types
    reason = "its owner did not sign it"

    def check(self, record: DHTRecord) -> bool:
        return bool(RSASignatureValidator.validate(self, record))


class _Schema(RefusingValidator, SchemaValidator):  # type: ignore[misc]  # hivemind has no types
    reason = "its fields are not those of its kind"

    def check(self, record: DHTRecord) -> bool:
        return bool(SchemaValidator.validate(self, record))


class _Owners(RefusingValidator):
    """The peer that a record names must be the one whose key signed it."""

    reason = "it names another peer than its owner"

    def __init__(self, prefix: str) -> None:
        self._keys = {DHTID.generate(source=f"{prefix}_{name}").to_bytes() for name in METRICS_KINDS}

    def check(self, record: DHTRecord) -> bool:
        if record.key not in self._keys:
            return True
        subkey: Any = MSGPackSerializer.loads(record.subkey)
        value: Any = MSGPackSerializer.loads(record.value)
        return bool(value["peer_id"] == peer_id_of_subkey(subkey))

    def merge_with(self, other: RecordValidatorBase) -> bool:
        if not isinstance(other, _Owners):
            return False
        self._keys |= other._keys
        return True


def _signing_key(key: RSAPrivateKey) -> SigningKey:
    """The key as hivemind's class, which otherwise only makes new ones."""
    found = SigningKey.__new__(SigningKey)
    der = key.private_bytes(Encoding.DER, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    found.__setstate__({"_private_key": der})
    return found
