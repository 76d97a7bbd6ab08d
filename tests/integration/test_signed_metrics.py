# SPDX-License-Identifier: Apache-2.0
"""Two real hivemind peers on loopback: what one publishes about its work, the other believes or refuses."""

import logging
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_der_private_key
from hivemind.dht import DHT
from hivemind.p2p import P2P
from hivemind.proto import crypto_pb2

from node0.loglines import RESUME_TRIGGERED, TRAINING_LOSS
from node0.security.signature import peer_id_of
from node0.security.validation import RecordValidatorBase, TrainingMetricsV1, make_validators
from node0.utils.monitor import MonitorWorker, Owner, training_metrics

pytestmark = pytest.mark.integration

RUN, STAGE = "run", "tail-2"
KEY = f"{RUN}_{STAGE}_training_metrics"


class Peer(NamedTuple):
    dht: DHT
    peer_id: str
    subkey: bytes


def _start(directory: Path, name: str, *, seeds: list[str], checks: bool = True) -> Peer:
    path = directory / name
    P2P.generate_identity(str(path))
    key = load_der_private_key(crypto_pb2.PrivateKey.FromString(path.read_bytes()).data, password=None)
    assert isinstance(key, RSAPrivateKey)
    peer_id = peer_id_of(key.public_key())
    validators, subkey = make_validators(RUN, peer_id, STAGE, private_key=key)
    # A forger signs as it should and checks nothing.
    kept: list[RecordValidatorBase] = validators if checks else validators[:1]
    dht = DHT(
        initial_peers=seeds,
        host_maddrs=["/ip4/127.0.0.1/tcp/0"],
        identity_path=str(path),
        record_validators=kept,
        nat_port_map=False,
        auto_nat=False,
        use_relay=False,
        startup_timeout=60,
        start=True,
    )
    return Peer(dht, peer_id, subkey)


@pytest.fixture(scope="module")
def peers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Peer, Peer, Peer]]:
    directory = tmp_path_factory.mktemp("identities")
    reader = _start(directory, "reader", seeds=[])
    seeds = [str(address) for address in reader.dht.get_visible_maddrs()]
    others = [
        _start(directory, "honest", seeds=seeds),
        _start(directory, "forger", seeds=seeds, checks=False),
    ]
    yield reader, others[0], others[1]
    for peer in (*others, reader):
        peer.dht.shutdown()


def _store(peer: Peer, value: object, *, subkey: bytes | None = None) -> bool:
    return bool(peer.dht.store(KEY, value, time.time() + 60, subkey=subkey or peer.subkey, exclude_self=True))


def _found(peer: Peer) -> dict[bytes, object]:
    found = peer.dht.get(KEY, latest=True)
    return {} if found is None else {subkey: entry.value for subkey, entry in found.value.items()}


def _metrics(peer: Peer, **changes: object) -> dict[str, object]:
    return {"peer_id": peer.peer_id, "step": 7, "loss": 2.5, "role": "deacon", "corpus_hash": "ab", **changes}


def test_an_identity_is_the_peer_that_hivemind_makes_of_it(peers: tuple[Peer, Peer, Peer]) -> None:
    assert [peer.peer_id for peer in peers] == [str(peer.dht.peer_id) for peer in peers]


def test_good_metrics_are_read_back_and_forged_ones_are_refused(peers: tuple[Peer, Peer, Peer]) -> None:
    reader, honest, forger = peers

    assert _store(honest, _metrics(honest))
    assert not _store(forger, _metrics(forger), subkey=honest.subkey)
    assert not _store(forger, _metrics(honest))
    assert not _store(forger, _metrics(forger, step=7.0))
    assert not _store(forger, _metrics(forger, extra=1))
    assert not _store(forger, "no metrics at all")
    assert _found(reader) == {honest.subkey: _metrics(honest)}
    assert _store(forger, _metrics(forger))
    assert _store(honest, _metrics(honest, step=8))
    assert _found(reader) == {honest.subkey: _metrics(honest, step=8), forger.subkey: _metrics(forger)}


def test_a_monitor_publishes_what_the_log_says(peers: tuple[Peer, Peer, Peer]) -> None:
    reader, honest, _ = peers
    log = logging.getLogger("node0.test_signed_metrics")
    log.setLevel(logging.INFO)
    monitor = MonitorWorker(finetune_mode=True)
    monitor.add_auth_info(Owner(honest.dht, honest.peer_id, honest.subkey, RUN, STAGE, "deacon", "ab"))
    monitor.start()
    log.addHandler(monitor.handler())
    log.info(RESUME_TRIGGERED.write(41))
    log.info(TRAINING_LOSS.write(1.25))

    monitor.stop()

    assert TrainingMetricsV1(
        peer_id=honest.peer_id, step=42, loss=1.25, role="deacon", corpus_hash="ab"
    ) in training_metrics(reader.dht, RUN, STAGE)
