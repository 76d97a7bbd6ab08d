# SPDX-License-Identifier: Apache-2.0
import json
import logging
from pathlib import Path

import pytest

from node0.finetune.corpus.quality.audit import audit, kinds, write_report
from node0.finetune.corpus.schema import CorpusEntry
from node0.finetune.corpus.scrub.finding import Tier
from node0.finetune.corpus.scrubber import CorpusScrubber
from node0.finetune.corpus.store import CorpusStore

SECRET = "ghp_0123456789abcdefABCDEF0123456789wxyz"
SCRUBBER = CorpusScrubber(voters=())


def an_entry(name: str, text: str, role: str = "polecat", *, quarantined: bool = False) -> CorpusEntry:
    return CorpusEntry(
        id=name, role=role, rig="r", task_type="t", outcome="o", created_at="", quarantined=quarantined,
        messages=[{"role": "assistant", "content": [{"type": "text", "text": text}]}],
    )  # fmt: skip


@pytest.fixture
def store(tmp_path: Path) -> CorpusStore:
    store = CorpusStore(tmp_path / "corpus")
    store.add(an_entry("clean", "nothing here"))
    store.add(an_entry("leaks", f"use {SECRET} and jane@harbor-yard.net"))
    store.add(an_entry("waits", 'password: "dolphinswim"', quarantined=True))
    store.add(an_entry("other", SECRET, role="mayor"))
    return store


def test_an_audit_names_kind_and_place_and_never_the_value(store: CorpusStore) -> None:
    found = SCRUBBER.audit_entry(store.get("leaks"))

    assert found == [
        "redact: github-token in messages[0].content[0].text",
        "redact: email in messages[0].content[0].text",
    ]


def test_an_audit_changes_no_byte_of_the_store(store: CorpusStore, caplog: pytest.LogCaptureFixture) -> None:
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in store.root.rglob("*.json")}

    with caplog.at_level(logging.WARNING):
        flagged = SCRUBBER.audit_store(store)

    assert sorted(flagged) == ["leaks", "other"]
    assert {
        path: (path.read_bytes(), path.stat().st_mtime_ns) for path in store.root.rglob("*.json")
    } == before
    assert "flagged 2 entries" in caplog.text
    assert SECRET not in caplog.text


def test_an_audit_of_one_role_sees_only_that_role(store: CorpusStore) -> None:
    assert list(SCRUBBER.audit_store(store, "mayor")) == ["other"]


def test_a_strict_audit_also_names_what_a_person_accepted_or_what_waits(store: CorpusStore) -> None:
    accepting = CorpusScrubber(voters=(), verdict=lambda value: Tier.KEEP)
    waiting = ["quarantine: assigned-secret in messages[0].content[0].text"]

    assert SCRUBBER.audit_entry(store.get("waits")) == []
    assert SCRUBBER.audit_entry(store.get("waits"), strict=True) == waiting
    assert accepting.audit_entry(store.get("waits"), strict=True) == waiting
    assert SCRUBBER.audit_entry(store.get("waits").model_copy(update={"quarantined": False})) == waiting


def test_the_report_is_dated_and_lies_beside_the_entries(store: CorpusStore) -> None:
    report = audit(store, SCRUBBER, role="polecat")
    path = write_report(report, store.root)

    assert path == store.root / f"audit-report-{report['date']}.json"
    assert json.loads(path.read_text()) == report
    assert (report["audited"], report["older"], sorted(report["flagged"])) == (3, 3, ["leaks"])
    assert SECRET not in path.read_text()
    assert kinds(report) == [{"id": "leaks", "places": 2, "found": "redact: email, redact: github-token"}]
    assert [entry.id for entry in store.list("polecat")] == ["clean", "leaks", "waits"]
