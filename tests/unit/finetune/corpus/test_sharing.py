# SPDX-License-Identifier: Apache-2.0
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from node0.errors import BadCorpus, ConfigError, GateRefused, NotFound, SharingDisabled
from node0.finetune.corpus.exchange.curated import read_curated
from node0.finetune.corpus.exchange.identifiers import Identifiers
from node0.finetune.corpus.exchange.pseudonyms import read_salt
from node0.finetune.corpus.schema import CorpusEntry
from node0.finetune.corpus.sharing import CorpusSharingExporter
from node0.finetune.corpus.store import CorpusStore
from node0.town import Town

SECRET = "ghp_0123456789abcdefABCDEF0123456789wxyz"
HOSTILE = (
    "In harbor (hb-7x2k9) joe@build-box ran `cat /srv/gt/harbor/crew/joe/.env`, mail joe@harbor.io, "
    f"10.1.2.3, token {SECRET}"
)
TELLING = (
    "harbor",
    "hb-7x2k9",
    "7x2k9",
    "joe",
    "build-box",
    "/srv",
    SECRET,
    "10.1.2.3",
    "2026-01-05",
    "session-1",
)


class Place:
    """A town that shares."""

    def __init__(self, root: Path, settings: str = "corpus_sharing: {enabled: true}\n") -> None:
        self.town = Town(root)
        self.town.models.mkdir(parents=True)
        self.town.model_settings_file.write_text(settings)
        self.store = CorpusStore(self.town)
        identifiers = Identifiers(
            rigs=frozenset({"harbor"}),
            names=frozenset({"joe", "build-box"}),
            prefixes=frozenset({"hb"}),
            beads=frozenset({"hb-7x2k9"}),
        )
        self.exporter = CorpusSharingExporter(self.town, identifiers=identifiers)
        self.output = root.parent / "out" / "shared.jsonl"

    def add(self, name: str = "hb-7x2k9-one", **fields: Any) -> None:
        """As an older scrubber stored it, with everything in it."""
        digest = hashlib.sha256(b"harbor").hexdigest()
        call = {"n_messages": 1, "system": digest, "tools": digest}
        facts = {
            "id": name, "role": "polecat", "rig": "harbor", "task_type": "harbor_work", "outcome": "success",
            "created_at": "2026-01-05T06:17:00Z", "bead_id": "hb-7x2k9", "session_id": "session-1",
            "messages": [
                {"role": "user", "content": HOSTILE},
                {"role": "assistant", "content": [{
                    "type": "tool_use", "id": "t", "name": "Bash",
                    "input": {"/srv/gt/harbor": ["hb-7x2k9"]}}]},
            ],
            "systems": {digest: f"You work in harbor. {HOSTILE}"},
            "toolsets": {digest: [{"name": "Bash", "description": "In harbor.", "input_schema": {}}]},
            "requests": [call],
        }  # fmt: skip
        self.store.add(CorpusEntry.model_validate({**facts, **fields}))

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.output.read_text().splitlines()]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path / "town")


def files_of(root: Path) -> dict[str, bytes]:
    return {
        path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()
    }


@pytest.mark.parametrize(
    "settings", ["", "corpus_sharing: {}\n", "corpus_sharing: {enabled: false, rigs: [harbor]}\n"]
)
def test_nothing_is_shared_unless_switched_on(tmp_path: Path, settings: str) -> None:
    place = Place(tmp_path / "town", settings)
    place.add()

    with pytest.raises(SharingDisabled, match=r"corpus_sharing.*enabled: true.*settings\.yaml"):
        place.exporter.export_for_sharing(place.store, "polecat", place.output)
    with pytest.raises(SharingDisabled):
        place.exporter.approve(place.store, place.output, reviewer="ada")

    assert not place.output.exists()


def test_nothing_that_tells_whose_it_is_leaves(place: Place) -> None:
    place.add()

    assert place.exporter.export_for_sharing(place.store, "polecat", place.output) == 1

    text = place.output.read_text()
    assert [word for word in TELLING if word in text] == []
    assert hashlib.sha256(b"harbor").hexdigest() not in text
    (line,) = place.lines()
    salt = read_salt(place.town)
    assert line["rig"] == hashlib.sha256(f"harbor{salt}".encode()).hexdigest()[:8]
    assert salt not in text
    assert (line["bead_id"], line["created_at"]) == (None, "2026-01-01T00:00:00Z")


def test_sharing_writes_nothing_into_the_corpus(place: Place) -> None:
    place.add()
    before = files_of(place.store.root)

    place.exporter.export_for_sharing(place.store, "polecat", place.output)
    place.exporter.approve(place.store, place.output, reviewer="ada")

    assert files_of(place.store.root) == before
    for output in (place.store.root / "polecat" / "x.jsonl", place.store.root / "new"):
        with pytest.raises(ConfigError, match="lies in the corpus"):
            place.exporter.stage(place.store, "polecat", output)


def test_what_is_shared_can_be_added_by_another_town(place: Place) -> None:
    place.add()
    place.exporter.export_for_sharing(place.store, "polecat", place.output)

    (entry,) = read_curated(place.output)

    assert entry.systems[entry.requests[0].system].startswith("You work in [RIG_1].")
    assert entry.messages[1]["content"][0]["input"] == {"[PATH_2]": ["[BEAD_1]"]}


def test_what_waits_was_retracted_or_belongs_to_another_rig_stays(tmp_path: Path) -> None:
    place = Place(tmp_path / "town", "corpus_sharing: {enabled: true, rigs: [harbor]}\n")
    place.add("shared")
    place.add("waits", quarantined=True)
    place.add("other", rig="lantern", messages=[{"role": "user", "content": "another text"}])
    place.add("doubtful", messages=[{"role": "user", "content": 'password: "dolphinswim"'}])
    place.add("back", messages=[{"role": "user", "content": "taken back"}])
    place.store.retracted().add([place.store.get("back")])

    staged = place.exporter.stage(place.store, "polecat", place.output)

    assert (staged.entries, staged.left_out.total()) == (1, 4)
    assert set(staged.left_out.values()) == {1}
    assert staged.redacted["rig"] >= 2


def test_a_role_of_which_nothing_can_be_shared_is_refused_and_nothing_staged(place: Place) -> None:
    place.add()
    with pytest.raises(BadCorpus, match=r"nothing of role mayor can be shared \(no entry\)"):
        place.exporter.stage(place.store, "mayor", place.output)

    place.store.retracted().add([place.store.get("hb-7x2k9-one")])
    with pytest.raises(BadCorpus, match=r"role polecat can be shared \(retracted: 1\)"):
        place.exporter.stage(place.store, "polecat", place.output)

    assert not any(place.output.parent.iterdir())


def test_the_salt_is_secret(place: Place) -> None:
    read_salt(place.town)
    path = place.town.models / "sharing.salt"
    assert path.stat().st_mode & 0o777 == 0o600

    path.chmod(0o644)
    with pytest.raises(ConfigError, match="chmod 600"):
        place.exporter.stage(place.store, "polecat", place.output)

    path.chmod(0o600)
    path.write_text("\n")
    with pytest.raises(ConfigError, match="holds no salt"):
        read_salt(place.town)


def test_a_staged_file_is_for_its_owner_and_may_be_named_by_its_directory(
    place: Place, tmp_path: Path
) -> None:
    place.add()

    staged = place.exporter.stage(place.store, "polecat", tmp_path / "staging")

    assert staged.path == tmp_path / "staging" / "polecat.jsonl"
    assert staged.path.stat().st_mode & 0o777 == 0o600
    assert staged.sha256 == hashlib.sha256(staged.path.read_bytes()).hexdigest()


def test_an_approval_is_recorded_with_the_digest_of_what_was_read(place: Place) -> None:
    place.add()
    place.exporter.export_for_sharing(place.store, "polecat", place.output)

    approval = place.exporter.approve(place.store, place.output, reviewer="ada")

    (recorded,) = (place.town.models / "shared.jsonl").read_text().splitlines()
    assert json.loads(recorded) == approval._asdict()
    assert approval.sha256 == hashlib.sha256(place.output.read_bytes()).hexdigest()


OVERSEER = {"name": "Rosa Lindqvist", "email": "rosa.lind@example.org", "username": "rlq7"}
CALLED = (
    *(
        "Git user: Rosa Lindqvist",
        "1 by Rosa",
        "LINDQVIST wrote",
        "Lindqvist, Rosa",
        "rosa's branch",
        "@rosal",
    ),
    *(
        "RosaLindqvist",
        "R. Lindqvist",
        "rlindqvist",
        "mail rosa.lind@example.org",
        "by rlq7:",
        "rosa/fix-lamp",
    ),
    *("Rosa_Lindqvist/main", "rosa.lind+gt@example.org", "\\nRosa", '{"owner": "rosa.lind"}'),
)


@pytest.mark.parametrize("words", CALLED)
def test_the_overseers_name_does_not_leave_in_whatever_way_it_is_written(tmp_path: Path, words: str) -> None:
    place = Place(tmp_path / "town")
    (place.town.root / "mayor").mkdir()
    (place.town.root / "mayor" / "overseer.json").write_text(json.dumps(OVERSEER))
    place.add(messages=[{"role": "user", "content": f"{words} see lamp"}])

    CorpusSharingExporter(place.town).stage(place.store, "polecat", place.output)

    text = place.output.read_text().lower()
    assert [name for name in ("rosa", "lind", "rlq7") if name in text] == []
    assert "see lamp" in text


@pytest.mark.parametrize("words", ["ask Rosa", "see @rosal", "as rlindqvist says"])
def test_a_file_in_which_the_overseer_is_named_is_not_approved(tmp_path: Path, words: str) -> None:
    place = Place(tmp_path / "town")
    (place.town.root / "mayor").mkdir()
    (place.town.root / "mayor" / "overseer.json").write_text(json.dumps(OVERSEER))
    place.add()
    exporter = CorpusSharingExporter(place.town)
    exporter.stage(place.store, "polecat", place.output)
    (line,) = place.lines()
    place.output.write_text(json.dumps({**line, "messages": [{"role": "user", "content": words}]}) + "\n")

    with pytest.raises(GateRefused, match="line 1"):
        exporter.approve(place.store, place.output, reviewer="ada")


def test_neither_name_nor_time_of_an_answer_leaves(place: Place) -> None:
    digest = hashlib.sha256(b"harbor").hexdigest()
    call = {"n_messages": 1, "system": digest, "tools": digest}
    place.add(requests=[{**call, "answer": "0123456789abcdef", "at": "2026-01-05T06:17:00+00:00"}])
    place.exporter.export_for_sharing(place.store, "polecat", place.output)
    (line,) = place.lines()

    assert line["requests"] == [{"n_messages": 1, "system": "system-0", "tools": "tools-0", "exact": False}]

    line["requests"][0]["at"] = "2026-01-05T06:17:00+00:00"
    place.output.write_text(json.dumps(line) + "\n")
    with pytest.raises(GateRefused, match="a time"):
        place.exporter.approve(place.store, place.output, reviewer="ada")


ORIGIN = {"how": "mined", "entries": ["one"], "decided_by": "rosa", "decided_at": "2026-01-05"}


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("bead_id", "hb-7x2k9", "a bead"),
        ("created_at", "2026-01-05T06:17:00Z", "a day"),
        ("rig", "harbor", "a rig"),
        ("origin", ORIGIN, "what it was made of"),
        ("messages", [{"role": "user", "content": "see harbor"}], "rig"),
        ("messages", [{"role": "user", "content": f"use {SECRET}"}], "github-token"),
        ("messages", [{"role": "user", "content": 'password: "dolphinswim"'}], "quarantine"),
    ],
)
def test_a_file_with_a_trace_left_is_not_approved(place: Place, field: str, value: Any, told: str) -> None:
    place.add()
    place.exporter.export_for_sharing(place.store, "polecat", place.output)
    (line,) = place.lines()
    place.output.write_text(json.dumps({**line, field: value}) + "\n")

    with pytest.raises(GateRefused, match=told) as refused:
        place.exporter.approve(place.store, place.output, reviewer="ada")

    assert SECRET not in str(refused.value)
    assert not (place.town.models / "shared.jsonl").exists()


def test_what_is_no_staged_file_is_refused(place: Place) -> None:
    with pytest.raises(NotFound, match="no staged file"):
        place.exporter.approve(place.store, place.output, reviewer="ada")
    place.output.parent.mkdir()
    place.output.write_text("{}\n")
    with pytest.raises(BadCorpus, match="line 1 is no entry"):
        place.exporter.approve(place.store, place.output, reviewer="ada")
