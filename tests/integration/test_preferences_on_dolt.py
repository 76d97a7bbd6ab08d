# SPDX-License-Identifier: Apache-2.0
"""Preferences on a real Dolt server: thirty comparisons of two branches each, and pairs of a corpus."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from dpo_registry import fill, session
from integration.dolt_server import find_dolt
from mined_corpus import draw_corpus

from node0.finetune.corpus.store import CorpusStore
from node0.finetune.dpo.exporter import DPOExporter
from node0.finetune.dpo.mined_log import Kept, MinedLog
from node0.finetune.dpo.mining import mine
from node0.finetune.dpo.preference_log import PreferenceLog
from node0.finetune.dpo.router import DPORouter
from node0.finetune.registry.store import ModelRegistry
from node0.store.copy_store import copy_store
from node0.store.dolt_server import OwnDolt
from node0.store.dolt_store import DoltStore
from node0.store.engine import open_store
from node0.store.transactions import Store

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(find_dolt() is None, reason="no dolt: make town-tools installs it"),
    pytest.mark.timeout(300),
]

PAIRS = 30


@pytest.fixture
def server(tmp_path: Path) -> Iterator[OwnDolt]:
    server = OwnDolt(tmp_path / "dolt")
    server.start(binary=str(find_dolt()))
    yield server
    server.stop()


def _store(server: OwnDolt, name: str) -> DoltStore:
    url = server.require().url.set(database=name).render_as_string(hide_password=False)
    store = open_store(url)
    assert isinstance(store, DoltStore)
    return store


def test_thirty_pairs_lie_on_branches_and_are_exported(server: OwnDolt) -> None:
    with closing(_store(server, "preferences")) as store:
        registry = ModelRegistry(store)
        fill(registry)
        router, log = DPORouter(registry), PreferenceLog(store)
        for number in range(PAIRS):
            bead = f"gt-{number:05}"
            router.create_comparison(bead, "pc:1", "pc:2")
            for side in ("a", "b"):
                router.attach(bead, side, session(f"{bead}-{side}", f"Answer {side} of {number}."))
            router.record_winner(bead, "ab"[number % 2])

        (change,) = store.diff("dpo_transcripts", "dpo-gt-00003-a", "dpo-gt-00003-b")[:1]
        on_main = store.diff("dpo_transcripts", "main", "dpo-gt-00003-a")
        pairs = list(DPOExporter(store).pairs("polecat"))

        assert {f"dpo-gt-{number:05}-{side}" for number in range(PAIRS) for side in "ab"} < {
            *store.branches()
        }
        assert {change["from_entry_id"], change["to_entry_id"]} & {"gt-00003-a", "gt-00003-b"}
        assert [row["to_entry_id"] for row in on_main] == ["gt-00003-a"]
        assert log.has_branches
        assert len(pairs) == PAIRS
        for number, pair in enumerate(pairs):
            assert pair.chosen and pair.rejected
            won, lost = ("a", "b") if number % 2 == 0 else ("b", "a")
            assert pair.chosen[0]["content"] == f"Answer {won} of {number}."
            assert pair.rejected[0]["content"] == f"Answer {lost} of {number}."


def test_transcripts_are_copied_to_dolt_and_from_its_branches(server: OwnDolt, tmp_path: Path) -> None:
    first, last = open_store(tmp_path / "first.sqlite"), open_store(tmp_path / "last.sqlite")
    fill(ModelRegistry(first))
    _compare(first, "gt-old", "old")
    with closing(_store(server, "copied")) as dolt:
        copy_store(first, dolt)
        _compare(dolt, "gt-new", "new")
        DPORouter(ModelRegistry(dolt)).attach("gt-old", "b", session("again", "Answer b again."))
        pairs = list(DPOExporter(dolt).pairs("polecat"))
        counts = copy_store(dolt, last)

    assert [pair.rejected and pair.rejected[0]["content"] for pair in pairs] == [
        "Answer b again.",
        "Answer b of new.",
    ]
    assert counts["dpo_transcripts"] == 4
    assert list(DPOExporter(last).pairs("polecat")) == pairs


def test_mined_pairs_wait_on_dolt_and_each_verdict_is_a_commit(server: OwnDolt, tmp_path: Path) -> None:
    corpus = CorpusStore(tmp_path / "corpus")
    corpus.add_all(one.entry for one in draw_corpus(1, sessions=30))
    with closing(_store(server, "mined")) as store:
        log = MinedLog(store)
        found = mine(corpus)
        kept = log.keep(found.pairs)
        first, second, *rest = log.list()
        log.decide(first.id, "accepted")
        log.decide(second.id, "dropped")
        again = log.keep(mine(corpus).pairs)
        exported = list(DPOExporter(store, corpus).pairs("deacon"))
        commits = [row["message"] for row in store.log()]
        counts = copy_store(store, open_store(tmp_path / "copy.sqlite"))

    assert kept == Kept(new=len(found.pairs), waiting=0, decided=0, gone=0)
    assert again == Kept(new=0, waiting=len(rest), decided=2, gone=0)
    assert sorted(one.id for one in (first, second, *rest)) == sorted(one.id for one in found.pairs)
    assert [pair.id for pair in exported] == [f"dpo-{first.id}"]
    assert f"{first.id} is accepted" in commits and f"{second.id} is dropped" in commits
    assert counts["dpo_mined_pairs"] == len(found.pairs)


def _compare(store: Store, bead: str, mark: str) -> None:
    router = DPORouter(ModelRegistry(store))
    router.create_comparison(bead, "pc:1", "pc:2")
    for side in ("a", "b"):
        router.attach(bead, side, session(f"{mark}-{side}", f"Answer {side} of {mark}."))
    router.record_winner(bead, "a")
