# SPDX-License-Identifier: Apache-2.0
"""A real Dolt server with the tables of two versions of bd, and a real town's backup."""

import json
import os
import resource
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from bead_rows import bead, changed, closed, hooked, label
from integration.dolt_server import NEWER, OLDER, ROOT, Dolt, find_dolt, running

pytestmark = pytest.mark.integration

TOOL = [sys.executable, "-c", "import sys; from node0.run_corpus import main; sys.exit(main())"]
DOLT = find_dolt()
BACKUP = ROOT.parent / "shared" / "data" / "beads-backup"
SECONDS = 10
TOAST = "gastown/polecats/toast"
needs_dolt = pytest.mark.skipif(DOLT is None, reason="dolt is not installed; `make town-tools` installs it")
needs_backup = pytest.mark.skipif(not BACKUP.is_dir(), reason="no real backup beside the checkout")

# Read by hand: title, history and reason of each.
BY_HAND = {
    # Hooked by furiosa, closed "no-changes: already fixed by commit dad02f33", confirmed by gt.
    "gt-69dai": "success",
    # Closed by its polecat, reopened by it, at last closed by the mayor: "Merged to main".
    "gt-yd38": "success",
    # Title "--help": a flag that was taken for a title. "Garbage bead from --help flag-parsing bug".
    "gt-00us": "abandoned",
    # From 2025, never hooked, swept in a clean-up: "Stale backlog: shipped, superseded, or ...".
    "gt-02431": "abandoned",
    # Hooked by dementus, closed "Closed" by it, then again by the refinery after the merge.
    "gt-058d": "success",
    # Closed "Closed" by slit, who had it; notes say that all five sub-tests were repaired.
    "gt-0jh0": "success",
    # Hooked by rictus, closed by the refinery with `bd update --status closed`, so without a reason.
    "gt-z5je": "success",
    # "Polecat lost findings on session death. ... Will re-run audit separately."
    "gt-3ntl": "failure",
    # "Email sent to ...": closed by the mayor, and nobody had it; what that achieved is not told.
    "gt-tvrwp": "unknown",
    # The standing orders of a crew member, on its hook for weeks and not closed.
    "gt-pr-sheriff": "open",
}


def corpus(town: Path, *argv: str, code: int = 0, **variables: str) -> Any:
    command = [*TOOL, "operational", *argv, "--town", str(town), "--json"]
    done = subprocess.run(
        command, env={**os.environ, **variables}, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == code, done.stderr
    return json.loads(done.stdout) if code == 0 else done.stderr


def timed(town: Path, *argv: str, server: Dolt | None = None) -> tuple[Any, float]:
    """What a collection says, and the seconds that it and the server computed: others have the cores too."""

    def computed() -> float:
        ended = resource.getrusage(resource.RUSAGE_CHILDREN)
        return ended.ru_utime + ended.ru_stime + (server.computed() if server else 0.0)

    before = computed()
    rows = corpus(town, *argv)
    return rows, computed() - before


def counts(rows: list[dict[str, Any]], what: str) -> dict[str, int]:
    return {row["which"]: row["count"] for row in rows if row["what"] == what}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dolt]:
    assert DOLT is not None
    with running(DOLT, tmp_path_factory.mktemp("dolt")) as dolt:
        dolt.create("gastown", OLDER)
        dolt.create("hq", NEWER)
        dolt.run("CREATE DATABASE other", "CREATE TABLE other.issues (id INT PRIMARY KEY)")
        _fill_newer(dolt)
        _fill_older(dolt)
        yield dolt


def _fill_newer(dolt: Dolt) -> None:
    def rows(*found: tuple[str, str, dict[str, Any]], **more: Any) -> list[dict[str, Any]]:
        return [{"description": "", **row, **more} for _, _, row in found]

    merge = "branch: b\nsource_issue: hq-a\nclose_reason: rejected"
    dolt.insert(
        "hq", "issues", rows(bead("hq-a", close_reason="Closed"), bead("hq-cv-1", issue_type="convoy"))
    )
    dolt.insert(
        "hq",
        "wisps",
        rows(bead("hq-wisp-mr", issue_type="merge-request", description=merge, close_reason="Closed"))
        + rows(bead("hq-wisp-r")),
    )
    worked = [hooked("hq-a", 0, TOAST), changed("hq-a", 1, TOAST, "hooked", status="in_progress")]
    for number, row in enumerate(rows(*worked, closed("hq-a", 9, TOAST))):
        dolt.insert("hq", "events", [{**row, "id": f"{number:036d}"}])
    marks = label("hq-wisp-r", "plugin:quality-review-result", "worker:toast", "rig:gastown", "score:0.25")
    dolt.insert("hq", "wisp_labels", [row for _, _, row in marks])
    dolt.run("UPDATE hq.wisps SET created_at = '2026-01-06 09:00:00' WHERE id = 'hq-wisp-r'")
    link = {"id": "x", "issue_id": "hq-cv-1", "type": "tracks", "depends_on_issue_id": "hq-a"}
    dolt.insert("hq", "dependencies", [link])


def _fill_older(dolt: Dolt) -> None:
    """The real backup where it is there, else one bead."""
    if not BACKUP.is_dir():
        _, _, row = bead("gt-a", description="", close_reason="Fixed")
        dolt.insert("gastown", "issues", [row])
        dolt.insert("gastown", "events", [closed("gt-a", 3, "mayor", "Fixed")[2]])
        return
    for table in OLDER:
        lines = (BACKUP / f"{table}.jsonl").read_text(encoding="utf-8").splitlines()
        dolt.insert("gastown", table, [json.loads(line) for line in lines])


@pytest.fixture
def town(tmp_path: Path, server: Dolt) -> Path:
    """A town whose Dolt configuration names the server."""
    (tmp_path / "gt" / ".dolt-data").mkdir(parents=True)
    config = f"listener:\n  host: 0.0.0.0\n  port: {server.port}\n"
    (tmp_path / "gt" / ".dolt-data" / "config.yaml").write_text(config)
    return tmp_path / "gt"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A town without beads of its own."""
    (tmp_path / "plain").mkdir()
    return tmp_path / "plain"


@needs_dolt
def test_databases_of_two_versions_of_bd_are_collected_from_a_real_server(town: Path, server: Dolt) -> None:
    before = [server.state(name) for name in ("gastown", "hq", "other")]

    rows, seconds = timed(town, "--collect", "all", server=server)

    assert seconds < SECONDS
    assert counts(rows, "collected")["convoys"] == 1
    assert counts(rows, "collected")["bead lifecycles"] >= 2
    assert corpus(town, "--collect", "beads")[1]["which"] == "unchanged"
    assert [server.state(name) for name in ("gastown", "hq", "other")] == before


@needs_dolt
def test_what_only_the_newer_tables_tell_counts(town: Path) -> None:
    """A merge request that says rejected and a review of the polecat's last bead are wisps."""
    (found,) = [row for row in corpus(town, "--outcomes") if row["bead"] == "hq-a"]

    assert (found["outcome"], found["because"], found["slings"]) == ("failure", "its merge request", 1)
    assert found["quality"] == 0.25


@needs_dolt
@needs_backup
def test_the_server_and_the_backup_give_the_same_outcomes(town: Path, place: Path) -> None:
    from_server = {row["bead"]: row["outcome"] for row in corpus(town, "--outcomes")}
    from_files = {row["bead"]: row["outcome"] for row in corpus(place, "--outcomes", "--beads", str(BACKUP))}

    assert len(from_files) == 677
    assert {name: from_server[name] for name in from_files} == from_files


@needs_dolt
def test_a_user_who_may_only_read_is_enough_and_a_wrong_password_is_one_line(
    town: Path, server: Dolt
) -> None:
    server.run("CREATE USER IF NOT EXISTS reader IDENTIFIED BY 'a b/:@'", "GRANT SELECT ON *.* TO reader")
    named = {"GT_DOLT_USER": "reader"}

    assert corpus(town, "--outcomes", GT_DOLT_PASSWORD="a b/:@", **named)
    said = corpus(town, "--outcomes", code=1, GT_DOLT_PASSWORD="wrong", **named)

    assert "refuses user 'reader'" in said
    assert "wrong" not in said
    assert said.count("\n") == 1


@needs_dolt
def test_a_server_without_beads_is_said(place: Path, tmp_path: Path) -> None:
    assert DOLT is not None
    with running(DOLT, tmp_path / "empty") as empty:
        said = corpus(place, "--dolt-port", str(empty.port), code=1)

    assert "no database of bd" in said


@needs_dolt
@pytest.mark.skipif(shutil.which("bd") is None, reason="bd is not on PATH")
def test_a_database_that_bd_itself_made_is_collected(tmp_path: Path, server: Dolt, town: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    served = [
        "--server",
        "--server-host",
        "127.0.0.1",
        "--server-port",
        str(server.port),
        "--server-user",
        "root",
    ]
    for argv in (["init", "--prefix", "own", *served], ["create", "Made by bd itself"]):
        subprocess.run(
            ["bd", *argv],
            cwd=project,
            stdin=subprocess.DEVNULL,
            check=True,
            capture_output=True,
            timeout=120,
        )

    assert [row["title"] for row in corpus(town, "--outcomes") if row["bead"].startswith("own-")] == [
        "Made by bd itself"
    ]


def test_a_server_that_does_not_answer_is_worth_trying_again(place: Path) -> None:
    said = corpus(place, "--dolt-port", "1", code=75)

    assert "does not answer" in said
    assert said.count("\n") == 1
    assert not (place / ".corpus").exists()


@needs_backup
def test_a_real_towns_backup_is_collected_in_time_and_once(place: Path) -> None:
    first, seconds = timed(place, "--collect", "all", "--beads", str(BACKUP))
    again = corpus(place, "--collect", "all", "--beads", str(BACKUP))

    assert seconds < SECONDS
    assert counts(first, "collected") == {"bead lifecycles": 647, "sling outcomes": 335, "convoys": 0}
    assert counts(first, "entries") == {"new": 982}
    assert counts(again, "entries") == {"unchanged": 982}
    assert counts(first, "skipped")["bead without a status change"] == 677 - 647


@needs_backup
def test_every_issue_of_a_real_backup_has_an_outcome_with_a_reason(place: Path) -> None:
    rows = corpus(place, "--outcomes", "--beads", str(BACKUP))

    assert len(rows) == 677
    assert all(row["outcome"] and row["because"] for row in rows)
    assert Counter(row["outcome"] for row in rows) == {
        "abandoned": 376,
        "success": 259,
        "record": 27,
        "open": 7,
        "unknown": 7,
        "failure": 1,
    }


@needs_backup
def test_ten_outcomes_are_what_a_person_reads_there(place: Path) -> None:
    rows = {row["bead"]: row["outcome"] for row in corpus(place, "--outcomes", "--beads", str(BACKUP))}

    assert {name: rows[name] for name in BY_HAND} == BY_HAND
