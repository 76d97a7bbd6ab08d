# SPDX-License-Identifier: Apache-2.0
import hashlib
import threading
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from node0.errors import BadCheckpoint, FrameRefused, RetriableError, SwarmTimeout
from node0.finetune.checkpoint.gatherer import CheckpointGatherer
from node0.finetune.checkpoint.shard_sources import Trust
from node0.swarm.records.shards import Announced, Announcement, sign_announcement
from node0.swarm.run.identity import Identity, make_identity

RUN, STEP, BASE = "harbor", 5, "b" * 64
STAGES = ["head-0", "tail-1"]
DATA = {stage: stage.encode() * 700 for stage in STAGES}


class FakeDht:
    """Records by key and subkey. Some lookups may fail first; after `limit` of them `stop` is set."""

    addresses = ("/ip4/127.0.0.1/tcp/4100",)

    def __init__(self) -> None:
        self.records: dict[str, dict[Any, Any]] = {}
        self.failures, self.lookups, self.limit = 0, 0, 3 * len(STAGES)
        self.stop = threading.Event()

    def store(self, key: str, subkey: Any, value: Any, *, seconds: float) -> bool:
        self.records.setdefault(key, {})[subkey] = value
        return True

    def get(self, key: str) -> Any:
        self.lookups += 1
        if self.lookups > self.limit:
            self.stop.set()
        if self.failures:
            self.failures -= 1
            raise SwarmTimeout("no answer")
        return dict(self.records.get(key, {}))


class FakePeers:
    """What each peer sends, by peer id and stage; what is not named here is the truth."""

    def __init__(self) -> None:
        self.sends: dict[str, Any] = {}
        self.asked: list[tuple[str, str, int]] = []

    def __call__(
        self, peer: Any, source: Announced, offset: int, *, stall: float
    ) -> Generator[bytes, None, None]:
        stage = source.announcement.stage
        self.asked.append((source.peer_id, stage, offset))
        sent = self.sends.get(source.peer_id, DATA[stage])
        if isinstance(sent, Exception):
            if offset == 0:
                yield DATA[stage][:1000]
            raise sent
        data = sent[offset:]
        for start in range(0, len(data), 1000):
            yield data[start : start + 1000]


@pytest.fixture(autouse=True)
def quick_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("node0.finetune.checkpoint.gatherer.LOOK_EVERY", 0.01)


@pytest.fixture(scope="module")
def identities(tmp_path_factory: pytest.TempPathFactory) -> list[Identity]:
    """Sorted by peer id: the first is asked first."""
    directory = tmp_path_factory.mktemp("keys")
    made = [make_identity(directory / f"{number}.key") for number in range(3)]
    return sorted(made, key=lambda identity: identity.peer_id)


def announce(dht: FakeDht, identity: Identity, stage: str, **changes: Any) -> None:
    given: dict[str, Any] = {
        "run": RUN,
        "stage": stage,
        "step": STEP,
        "sha256": sha256(stage),
        "bytes": len(DATA[stage]),
        "base_digest": BASE,
    }
    key, subkey, sealed = sign_announcement(Announcement(**(given | changes)), identity)
    dht.store(key, subkey, sealed, seconds=9.0)


def sha256(stage: str) -> str:
    return hashlib.sha256(DATA[stage]).hexdigest()


def gather(
    directory: Path,
    dht: FakeDht,
    peers: FakePeers,
    trust: Trust | None = None,
    *,
    digests: dict[str, str] | None = None,
) -> dict[str, Path] | None:
    gatherer = CheckpointGatherer(directory, trust=trust, pull=peers)
    return gatherer.gather_all_shards(dht, RUN, STEP, STAGES, 60.0, digests=digests, stop=dht.stop)


def test_all_stages_are_gathered_in_their_order(tmp_path: Path, identities: list[Identity]) -> None:
    dht, peers = FakeDht(), FakePeers()
    for identity, stage in zip(identities, reversed(STAGES), strict=False):
        announce(dht, identity, stage)

    found = gather(tmp_path, dht, peers, Trust(frozenset(i.peer_id for i in identities), BASE))

    assert found is not None
    assert list(found) == STAGES
    assert {stage: path.read_bytes() for stage, path in found.items()} == DATA


def test_announce_shard_stores_what_the_gatherer_takes(tmp_path: Path, identities: list[Identity]) -> None:
    dht = FakeDht()
    for stage in STAGES:
        (tmp_path / stage).write_bytes(DATA[stage])
        CheckpointGatherer(tmp_path).announce_shard(
            dht, RUN, stage, STEP, str(tmp_path / stage), identity=identities[0], base_digest=BASE
        )

    assert sorted(dht.records) == [f"{RUN}_checkpoint_{STEP}_{stage}" for stage in STAGES]
    assert gather(tmp_path / "g", dht, FakePeers()) is not None


def test_an_announcement_that_no_peer_takes_is_an_error(tmp_path: Path, identities: list[Identity]) -> None:
    class Deaf(FakeDht):
        def store(self, key: str, subkey: Any, value: Any, *, seconds: float) -> bool:
            return False

    (tmp_path / "x").write_bytes(b"x")
    with pytest.raises(RetriableError, match="no peer took"):
        CheckpointGatherer(tmp_path).announce_shard(
            Deaf(), RUN, "head-0", STEP, tmp_path / "x", identity=identities[0], base_digest=BASE
        )


def test_a_missing_stage_ends_in_none_and_what_came_stays(tmp_path: Path, identities: list[Identity]) -> None:
    dht, peers = FakeDht(), FakePeers()
    announce(dht, identities[0], "head-0")

    assert gather(tmp_path, dht, peers) is None
    announce(dht, identities[1], "tail-1")
    dht.stop.clear()
    dht.lookups = 0
    assert gather(tmp_path, dht, peers) is not None
    assert [stage for _, stage, _ in peers.asked] == ["head-0", "tail-1"]


def test_a_stage_that_is_announced_late_is_waited_for(tmp_path: Path, identities: list[Identity]) -> None:
    dht = FakeDht()
    dht.limit = 10_000
    announce(dht, identities[0], "head-0")
    timer = threading.Timer(0.05, lambda: announce(dht, identities[0], "tail-1"))
    timer.start()

    found = gather(tmp_path, dht, FakePeers())
    timer.join()

    assert found is not None


def test_a_lookup_that_fails_is_done_again(tmp_path: Path, identities: list[Identity]) -> None:
    dht = FakeDht()
    dht.failures = 1
    for stage in STAGES:
        announce(dht, identities[0], stage)

    assert gather(tmp_path, dht, FakePeers()) is not None


def test_wrong_bytes_are_refused_and_come_from_a_replica(
    tmp_path: Path, identities: list[Identity], caplog: pytest.LogCaptureFixture
) -> None:
    dht, peers = FakeDht(), FakePeers()
    peers.sends[identities[0].peer_id] = bytes(len(DATA["head-0"]))
    announce(dht, identities[0], "head-0")
    announce(dht, identities[1], "head-0")
    announce(dht, identities[2], "tail-1")

    found = gather(tmp_path, dht, peers)

    assert found is not None
    assert found["head-0"].read_bytes() == DATA["head-0"]
    assert f"refused shard head-0 of step {STEP} from peer {identities[0].peer_id}" in caplog.text
    assert [peer for peer, stage, _ in peers.asked if stage == "head-0"] == [
        identity.peer_id for identity in identities[:2]
    ]


def test_a_peer_whose_bytes_were_wrong_is_not_asked_again(tmp_path: Path, identities: list[Identity]) -> None:
    dht, peers = FakeDht(), FakePeers()
    peers.sends[identities[0].peer_id] = DATA["head-0"] + b"more"
    announce(dht, identities[0], "head-0")

    assert gather(tmp_path, dht, peers) is None

    assert len(peers.asked) == 1


@pytest.mark.parametrize(
    "fault", [SwarmTimeout("it stalls"), FrameRefused("no frames"), SwarmTimeout("closed in the middle")]
)
def test_a_source_that_fails_is_gone_on_from_at_another(
    tmp_path: Path, identities: list[Identity], fault: Exception
) -> None:
    dht, peers = FakeDht(), FakePeers()
    peers.sends[identities[0].peer_id] = fault
    announce(dht, identities[0], "head-0")
    announce(dht, identities[1], "head-0")
    announce(dht, identities[2], "tail-1")

    found = gather(tmp_path, dht, peers)

    assert found is not None
    assert (identities[1].peer_id, "head-0", 1000) in peers.asked


def test_peers_that_are_not_allowed_do_not_count(
    tmp_path: Path, identities: list[Identity], caplog: pytest.LogCaptureFixture
) -> None:
    dht, peers = FakeDht(), FakePeers()
    for stage in STAGES:
        announce(dht, identities[0], stage)

    assert gather(tmp_path, dht, peers, Trust(frozenset({identities[1].peer_id}))) is None

    assert peers.asked == []
    assert "is not on the allow-list" in caplog.text


def test_another_base_does_not_count(tmp_path: Path, identities: list[Identity]) -> None:
    dht, peers = FakeDht(), FakePeers()
    for stage in STAGES:
        announce(dht, identities[0], stage, base_digest="c" * 64)

    assert gather(tmp_path, dht, peers, Trust(base_digest=BASE)) is None
    assert peers.asked == []


def test_forged_and_misplaced_records_do_not_count(
    tmp_path: Path, identities: list[Identity], caplog: pytest.LogCaptureFixture
) -> None:
    dht, peers = FakeDht(), FakePeers()
    for stage in STAGES:
        announce(dht, identities[0], stage, step=STEP + 1)
    replayed = dict(dht.records)
    dht.records.clear()
    for stage in STAGES:
        records = replayed[f"{RUN}_checkpoint_{STEP + 1}_{stage}"]
        dht.records[f"{RUN}_checkpoint_{STEP}_{stage}"] = {**records, "junk": b"junk", "none": None}

    assert gather(tmp_path, dht, peers) is None

    assert peers.asked == []
    assert "under harbor_checkpoint_5_head-0" in caplog.text
    assert "no sealed record" in caplog.text


def test_digests_of_the_trainer_decide_between_holders(tmp_path: Path, identities: list[Identity]) -> None:
    dht, peers = FakeDht(), FakePeers()
    for identity in identities[:2]:
        announce(dht, identity, "head-0", sha256="e" * 64)
    announce(dht, identities[2], "head-0")
    announce(dht, identities[2], "tail-1")

    found = gather(tmp_path, dht, peers, digests={stage: sha256(stage) for stage in STAGES})

    assert found is not None
    assert {peer for peer, _, _ in peers.asked} == {identities[2].peer_id}


def test_a_stage_name_that_leaves_the_directory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadCheckpoint, match="not a file name"):
        CheckpointGatherer(tmp_path).gather_all_shards(FakeDht(), RUN, STEP, ["../../x"], 0.0)


def test_another_gatherer_goes_on_with_what_was_begun(tmp_path: Path, identities: list[Identity]) -> None:
    dht, peers = FakeDht(), FakePeers()
    peers.sends[identities[0].peer_id] = SwarmTimeout("closed in the middle")
    announce(dht, identities[0], "head-0")
    announce(dht, identities[0], "tail-1")
    assert gather(tmp_path, dht, peers) is None
    peers.sends.clear()
    peers.asked.clear()
    dht.stop.clear()
    dht.lookups = 0

    assert gather(tmp_path, dht, peers) is not None

    assert {offset for _, _, offset in peers.asked} == {1000}


def test_what_is_whole_is_found_when_all_holders_and_records_are_gone(
    tmp_path: Path, identities: list[Identity]
) -> None:
    dht, peers = FakeDht(), FakePeers()
    for stage in STAGES:
        announce(dht, identities[0], stage)
    first = gather(tmp_path, dht, peers)
    peers.asked.clear()

    assert gather(tmp_path, FakeDht(), peers) == first
    assert peers.asked == []
    other = Trust(frozenset({identities[1].peer_id}))
    assert gather(tmp_path, FakeDht(), peers, other) is None


def test_a_stopped_gather_ends_at_once(tmp_path: Path) -> None:
    dht = FakeDht()
    dht.stop.set()

    assert gather(tmp_path, dht, FakePeers()) is None
    assert dht.lookups == len(STAGES)


def test_a_gather_ends_when_its_time_is_up(tmp_path: Path) -> None:
    assert CheckpointGatherer(tmp_path).gather_all_shards(FakeDht(), RUN, STEP, STAGES, 0.01) is None


def test_earlier_steps_are_forgotten(tmp_path: Path, identities: list[Identity]) -> None:
    dht, peers = FakeDht(), FakePeers()
    for stage in STAGES:
        announce(dht, identities[0], stage)
    found = gather(tmp_path, dht, peers)
    gatherer = CheckpointGatherer(tmp_path)
    assert found is not None

    gatherer.discard_before(STEP)
    assert all(path.is_file() for path in found.values())
    gatherer.discard_before(STEP + 1)
    assert not any(path.is_file() for path in found.values())
    assert not (tmp_path / f"step_{STEP}").exists()
