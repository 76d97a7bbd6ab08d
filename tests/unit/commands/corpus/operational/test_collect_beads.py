# SPDX-License-Identifier: Apache-2.0
import json
from pathlib import Path

import pytest
from bead_rows import bead, closed, hooked, write_backup
from collected_town import SECRET

from node0.commands.corpus.operational.collect_beads import BeadSource, collect_beads, list_outcomes
from node0.commands.corpus.operational.operational_kind import Kind
from node0.finetune.corpus.store import CorpusStore

Printed = pytest.CaptureFixture[str]


@pytest.fixture
def source(tmp_path: Path, town_root: Path) -> BeadSource:
    rows = [bead("gt-a", close_reason="Merged to main"), hooked("gt-a", 0, "demo/polecats/toast")]
    backup = write_backup(tmp_path / "backup", [*rows, closed("gt-a", 9, "mayor", "Merged to main")])
    return BeadSource(town_root, backup=backup)


def test_how_beads_ended_is_listed_for_one_role_and_nothing_is_stored(
    source: BeadSource, town_root: Path, capsys: Printed
) -> None:
    list_outcomes(source, role="polecat", as_json=True)
    (row,) = json.loads(capsys.readouterr().out)
    list_outcomes(source, role="mayor", as_json=True)

    assert (row["bead"], row["outcome"], row["reason"]) == ("gt-a", "success", "Merged to main")
    assert json.loads(capsys.readouterr().out) == []
    assert not (town_root / ".corpus").exists()


def test_how_beads_ended_is_told_without_secrets_and_the_overseers_name(
    tmp_path: Path, town_root: Path, capsys: Printed
) -> None:
    (town_root / "mayor").mkdir(exist_ok=True)
    (town_root / "mayor" / "overseer.json").write_text('{"name": "Rosa Lindqvist"}')
    telling = {"title": f"Rotate {SECRET}", "close_reason": "Merged for Rosa Lindqvist, see Saltmarsh"}
    backup = write_backup(tmp_path / "backup", [bead("gt-a", **telling)])

    list_outcomes(BeadSource(town_root, backup=backup), role=None, deny=["Saltmarsh"], as_json=True)

    (row,) = json.loads(capsys.readouterr().out)
    assert (row["bead"], row["outcome"]) == ("gt-a", "success")
    assert row["title"].startswith("Rotate ")
    assert row["reason"].startswith("Merged for ")
    assert [word for word in (SECRET, "Rosa", "Saltmarsh") if word in json.dumps(row)] == []


@pytest.mark.parametrize(
    ("kind", "collected"),
    [
        (Kind.BEADS, {"bead lifecycles": 1}),
        (Kind.SLINGS, {"sling outcomes": 1}),
        (Kind.CONVOYS, {"convoys": 0}),
        (Kind.ALL, {"bead lifecycles": 1, "sling outcomes": 1, "convoys": 0}),
    ],
)
def test_the_kind_that_is_asked_for_is_collected(
    source: BeadSource, town_root: Path, capsys: Printed, kind: Kind, collected: dict[str, int]
) -> None:
    collect_beads(source, kind, role=None, logs=None, deny=(), as_json=True)

    out, err = capsys.readouterr()
    counts = {row["which"]: row["count"] for row in json.loads(out) if row["what"] == "collected"}
    assert counts == collected
    assert len(CorpusStore(town_root / ".corpus").list()) == sum(collected.values())
    assert err.startswith("1 beads and ")


def test_logs_of_convoys_are_read_where_convoys_are_asked_for(
    source: BeadSource, tmp_path: Path, capsys: Printed
) -> None:
    (tmp_path / "logs").mkdir()

    collect_beads(source, Kind.CONVOYS, role=None, logs=tmp_path / "logs", deny=(), as_json=True)
    with_convoys = [row["which"] for row in json.loads(capsys.readouterr().out)]
    collect_beads(source, Kind.BEADS, role=None, logs=tmp_path / "logs", deny=(), as_json=True)

    assert "convoy logs" in with_convoys
    assert "convoy logs" not in capsys.readouterr().out
