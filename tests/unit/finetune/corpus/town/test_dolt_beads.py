# SPDX-License-Identifier: Apache-2.0
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from node0.errors import DoltUnavailable
from node0.finetune.corpus.town import dolt_beads
from node0.finetune.corpus.town.dolt_beads import read_dolt
from node0.town import DoltServer

Rows = Iterator[tuple[str, str, Mapping[str, Any]]]


def rows(server: DoltServer, wanted: Mapping[str, Sequence[str]]) -> Rows:
    """What a server answers: values of a database, not of a file."""
    assert {"issues", "events"} <= wanted.keys()
    yield (
        "demo",
        "issues",
        {"id": "gt-a", "title": server.host, "created_at": datetime(2026, 1, 5, tzinfo=UTC)},
    )
    yield "demo", "labels", {"issue_id": "gt-a", "label": "zfc"}
    yield "demo", "labels", {"issue_id": "gt-lost", "label": "zfc"}


def test_a_servers_rows_and_a_towns_audit_records_make_its_beads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dolt_beads, "read_rows", rows)
    audit = {"id": "i", "kind": "label", "issue_id": "gt-a", "label": "good"}
    (tmp_path / "interactions.jsonl").write_text(json.dumps(audit) + "\n{torn")

    found = read_dolt(DoltServer("db.example"), [tmp_path, tmp_path / "missing"])

    bead = found.beads["gt-a"]
    assert (bead.title, bead.database, bead.labels) == ("db.example", "demo", {"zfc"})
    assert found.labelled == {"gt-a": True}
    assert found.skipped == {
        "labels of a bead that is not there": 1,
        "line of interactions.jsonl that cannot be read": 1,
    }


def test_a_server_that_does_not_answer_is_named() -> None:
    with pytest.raises(DoltUnavailable, match="127"):
        read_dolt(DoltServer(port=1))
