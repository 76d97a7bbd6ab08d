# SPDX-License-Identifier: Apache-2.0
"""Real peers on loopback: what one publishes about its work, the others believe or refuse."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from hivemind.dht.validation import RecordValidatorBase

from node0.loglines import RESUME_TRIGGERED, TRAINING_LOSS
from node0.swarm.peer.peer import Peer, PeerSettings
from node0.swarm.records.peer_metrics import TrainingMetricsV1, make_validators, training_metrics
from node0.swarm.run.identity import make_identity
from node0.utils.monitor import MonitorWorker, Owner, following

pytestmark = pytest.mark.integration

RUN, STAGE = "run", "tail-2"
KEY = f"{RUN}_{STAGE}_training_metrics"


class Member(NamedTuple):
    peer: Peer
    subkey: bytes


def _start(directory: Path, name: str, *, seeds: list[str], checks: bool = True) -> Member:
    identity = make_identity(directory / f"{name}.key")
    validators: list[RecordValidatorBase] = []
    for stage in ("head-0", STAGE):
        made, subkey = make_validators(RUN, identity.peer_id, stage, private_key=identity.private_key)
        validators += made
    settings = PeerSettings(directory / name, identity_path=directory / f"{name}.key", initial_peers=seeds)
    # A forger signs as it should and checks nothing.
    peer = Peer(settings, validators=validators if checks else validators[:1])
    assert peer.peer_id == identity.peer_id
    return Member(peer, subkey)


@pytest.fixture
def members(tmp_path: Path) -> Iterator[tuple[Member, Member, Member]]:
    reader = _start(tmp_path, "reader", seeds=[])
    seeds = reader.peer.addresses
    others = [_start(tmp_path, "honest", seeds=seeds), _start(tmp_path, "forger", seeds=seeds, checks=False)]
    yield reader, others[0], others[1]
    for member in (*others, reader):
        member.peer.close()


def _store(member: Member, value: object, *, subkey: bytes | None = None) -> bool:
    return member.peer.store(KEY, subkey or member.subkey, value, seconds=60)


def _metrics(member: Member, **changes: object) -> dict[str, object]:
    own = {"peer_id": member.peer.peer_id, "step": 7, "loss": 2.5, "role": "deacon", "corpus_hash": "ab"}
    return {**own, **changes}


def test_good_metrics_are_read_back_and_forged_ones_are_refused(
    members: tuple[Member, Member, Member], caplog: pytest.LogCaptureFixture
) -> None:
    reader, honest, forger = members

    assert _store(honest, _metrics(honest))
    for forged, subkey in [
        (_metrics(forger), honest.subkey),
        (_metrics(honest), forger.subkey),
        (_metrics(forger, step=7.0), forger.subkey),
        (_metrics(forger, extra=1), forger.subkey),
        ("no metrics at all", forger.subkey),
    ]:
        # The forger's own part of the DHT has it now, and hands it out.
        _store(forger, forged, subkey=subkey)
        assert reader.peer.get(KEY) == {honest.subkey: _metrics(honest)}
    assert "refused a DHT record" in caplog.text
    assert _store(forger, _metrics(forger))
    assert _store(honest, _metrics(honest, step=8))
    assert reader.peer.get(KEY) == {
        honest.subkey: _metrics(honest, step=8),
        forger.subkey: _metrics(forger),
    }


def test_a_monitor_publishes_what_the_log_says(members: tuple[Member, Member, Member]) -> None:
    reader, honest, _ = members
    log = logging.getLogger("node0.test_signed_metrics")
    log.setLevel(logging.INFO)
    monitor = MonitorWorker(finetune_mode=True)
    monitor.add_auth_info(Owner(honest.peer, honest.peer.peer_id, honest.subkey, RUN, STAGE, "deacon", "ab"))
    with following(monitor, log):
        log.info(RESUME_TRIGGERED.write(41))
        log.info(TRAINING_LOSS.write(1.25))

    expected = TrainingMetricsV1(
        peer_id=honest.peer.peer_id, step=42, loss=1.25, role="deacon", corpus_hash="ab"
    )
    assert training_metrics(reader.peer, RUN, STAGE) == [expected]
