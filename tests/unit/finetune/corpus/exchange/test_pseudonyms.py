# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest

from node0.errors import ConfigError
from node0.finetune.corpus.exchange.pseudonyms import pseudonym, pseudonymized, read_salt
from node0.finetune.corpus.schema import CorpusEntry
from node0.town import Town

ENTRY = CorpusEntry(
    id="hb-7x2k9-one", role="polecat", rig="harbor", task_type="work", outcome="success",
    created_at="2026-01-05T06:17:00Z", bead_id="hb-7x2k9", session_id="session-1",
    messages=[{"role": "user", "content": "go"}, {"role": "assistant", "content": "gone"}],
    systems={"digest-of-a-secret": "You work."}, toolsets={"digest-of-tools": []},
    origin={"how": "mined", "entries": ["hb-7x2k9-two"], "decided_by": "rosa", "decided_at": "2026-01-05"},
    requests=[{"n_messages": 1, "system": "digest-of-a-secret", "tools": "digest-of-tools"}],
)  # fmt: skip


def test_one_name_has_one_pseudonym_in_a_town_and_another_elsewhere(tmp_path: Path) -> None:
    first, second = Town(tmp_path / "a"), Town(tmp_path / "b")
    salts = [read_salt(town) for town in (first, second, first)]

    names = [pseudonym("harbor", salt, 8) for salt in salts]

    assert names[0] == names[2] != names[1]
    assert len(names[0]) == 8


def test_an_entry_keeps_its_words_and_loses_what_tells_whose_it_is() -> None:
    entry = pseudonymized(ENTRY, "salt")

    told = entry.model_dump_json()
    assert [
        word
        for word in ("hb-7x2k9", "harbor", "session-1", "digest-of", "2026-01-05", "rosa")
        if word in told
    ] == []
    assert entry.messages == ENTRY.messages
    assert [entry.systems[call.system] for call in entry.requests] == ["You work."]
    assert entry.created_at == "2026-01-01T00:00:00Z"


def test_a_salt_is_made_once_and_others_may_not_read_it(tmp_path: Path) -> None:
    town = Town(tmp_path)
    salt = read_salt(town)
    path = town.models / "sharing.salt"

    assert read_salt(town) == salt
    assert path.stat().st_mode & 0o777 == 0o600
    path.chmod(0o640)
    with pytest.raises(ConfigError, match="chmod 600"):
        read_salt(town)


def test_a_file_without_a_salt_is_refused(tmp_path: Path) -> None:
    town = Town(tmp_path)
    read_salt(town)
    (town.models / "sharing.salt").write_text("short\n")

    with pytest.raises(ConfigError, match="holds no salt"):
        read_salt(town)
