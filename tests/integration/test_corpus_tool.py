# SPDX-License-Identifier: Apache-2.0
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from node0.finetune.corpus.store import CorpusStore, read_entry

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
TOOL = [sys.executable, "-c", "import sys; from node0.run_corpus import main; sys.exit(main())"]


def environment(home: Path) -> dict[str, str]:
    home.mkdir(exist_ok=True)
    return {**os.environ, "HOME": str(home), "PYTHONPATH": str(ROOT / "examples")}


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small sample town beside the list of what was planted in it."""
    out = tmp_path_factory.mktemp("sample") / "gt"
    sizes = ("--deacon", "40", "--witness", "12", "--polecat", "16")
    subprocess.run(
        [sys.executable, "-m", "town.generator", "--out", str(out), *sizes],
        env=environment(out.parent / "home"),
        check=True,
        capture_output=True,
    )
    return out


@pytest.fixture
def town(sample: Path, tmp_path: Path) -> Path:
    return town_of(sample, tmp_path / "gt")


SURROGATES_KEY = ".models/scrub.key"
"Two towns have the same surrogates only by the same secret."


def town_of(sample: Path, place: Path) -> Path:
    """The same sessions with a corpus of its own."""
    place.mkdir()
    for part in sample.iterdir():
        if part.name != ".corpus":
            (place / part.name).symlink_to(part)
    return place


def corpus(town: Path, *argv: str, check: bool = True) -> Any:
    command = [*TOOL, *argv, "--town", str(town), "--json"]
    home = environment(town.parent / "home")
    done = subprocess.run(command, env=home, capture_output=True, text=True, check=False)
    assert done.returncode == 0 or not check, done.stderr
    return json.loads(done.stdout)


def counts(rows: list[dict[str, Any]], what: str) -> dict[str, int]:
    return {row["which"]: row["count"] for row in rows if row["what"] == what}


def test_a_town_is_collected_once_and_clean(town: Path) -> None:
    planted = json.loads(
        (town.resolve() / "mayor").resolve().parent.with_name("gt-planted.json").read_text()
    )["planted"]

    first = corpus(town, "collect", "--documents")
    again = corpus(town, "collect", "--documents")

    sessions = [row for row in first if row["of"] == "sessions"]
    assert counts(sessions, "sessions") == {"read": 68}
    assert counts(sessions, "requests")["reconstructed"] == 0
    assert counts(sessions, "requests")["exact"] > 500
    assert sum(counts(sessions, "redacted").values()) >= len(planted)
    assert counts([row for row in again if row["of"] == "sessions"], "entries") == {}
    stored = "".join(path.read_text() for path in (town / ".corpus").glob("*/*.json"))
    assert [part for plant in planted for part in plant["parts"] if part in stored] == []
    roles = {row["role"] for row in corpus(town, "list")}
    assert roles == {"all", "deacon", "witness", "polecat"}
    assert {row["quarantined"] for row in corpus(town, "list")} == {False}
    assert list((town.parent / "home").iterdir()) == []


def test_every_call_of_the_sample_is_stored_as_it_was_logged(town: Path) -> None:
    corpus(town, "collect")
    logged = sum(
        line.count('"type":"api-request","id"')
        for path in (town / ".claude").resolve().glob("projects/*/*.jsonl")
        for line in path.read_text().splitlines()
    )

    entries = [json.loads(path.read_text()) for path in (town / ".corpus").glob("*/*.json")]

    calls = [(entry, call) for entry in entries for call in entry["requests"]]
    assert len(calls) == logged
    assert all(entry["messages"][call["n_messages"]]["role"] == "assistant" for entry, call in calls)
    assert {call["exact"] for _, call in calls} == {True}


def test_twenty_kills_and_two_collectors_at_once_leave_what_one_would(sample: Path, tmp_path: Path) -> None:
    """Each collector denies another word, so that each writes every entry again."""
    town, quiet = town_of(sample, tmp_path / "gt"), town_of(sample, tmp_path / "quiet")
    store, rng = CorpusStore(town / ".corpus"), random.Random(0)
    within = 0
    for number in range(20):
        before = last_write(store)
        killed = collector(town, "--deny", f"word{number}")
        while killed.poll() is None and last_write(store) == before:
            time.sleep(0.005)
        time.sleep(rng.uniform(0, 0.4))
        killed.kill()
        killed.wait()
        # Reading an entry verifies its digest.
        within += len({entry.scrub_version for entry in store.entries()}) > 1
    pair = [collector(town), collector(town)]
    assert [process.wait(timeout=120) for process in pair] == [0, 0]
    (quiet / ".models").mkdir()
    shutil.copy(town / SURROGATES_KEY, quiet / SURROGATES_KEY)
    corpus(quiet, "collect")

    assert within >= 10
    assert digests(store) == digests(CorpusStore(quiet / ".corpus"))
    assert counts(corpus(town, "collect"), "entries") == {}


def collector(town: Path, *argv: str) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [*TOOL, "collect", "--town", str(town), *argv],
        env=environment(town.parent / "home"),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def last_write(store: CorpusStore) -> int:
    """When an entry was last written."""
    return max((path.stat().st_mtime_ns for path in store.paths(None)), default=0)


def digests(store: CorpusStore) -> dict[str, str]:
    """What is stored, by file."""
    return {str(path.relative_to(store.root)): read_entry(path).content_digest for path in store.paths(None)}


@pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")
def test_a_real_pane_is_collected_with_its_whole_scrollback(tmp_path: Path) -> None:
    (tmp_path / "gt").mkdir()
    (tmp_path / "sockets").mkdir()
    shown = tmp_path / "shown"
    shown.write_text(
        "❯ Look\n⏺ I look.\n" + "".join(f"  line {number}\n" for number in range(2000)) + "⏺ Done.\n❯\n"
    )
    variables = {
        **environment(tmp_path / "home"),
        "TMUX_TMPDIR": str(tmp_path / "sockets"),
        "GT_TMUX_SOCKET": "town",
    }
    variables.pop("TMUX", None)
    server = ["tmux", "-L", "town", "-f", "/dev/null"]
    pane = f"cat {shown}; exec sleep 60"
    options = [
        "set-option",
        "-g",
        "history-limit",
        "5000",
        ";",
        "new-session",
        "-d",
        "-s",
        "de-toast",
        "-x",
        "80",
        pane,
    ]
    subprocess.run([*server, *options], env=variables, check=True, timeout=20)
    try:
        _until_shown([*server, "capture-pane", "-p", "-t", "de-toast"], "Done.", variables)
        argv = [
            "collect",
            "--session",
            "de-toast",
            "--role",
            "polecat",
            "--rig",
            "demo",
            "--outcome",
            "success",
        ]
        done = subprocess.run(
            [*TOOL, *argv, "--town", str(tmp_path / "gt"), "--json"],
            env=variables,
            capture_output=True,
            text=True,
            check=True,
        )
    finally:
        subprocess.run([*server, "kill-server"], env=variables, check=False, timeout=20)

    (row,) = json.loads(done.stdout)
    entry = json.loads((tmp_path / "gt" / ".corpus" / "polecat" / f"{row['id']}.json").read_text())
    assert entry["source"] == "tmux"
    assert all(f"line {number}\n" in entry["messages"][1]["content"] for number in range(2000))


def _until_shown(capture: list[str], text: str, variables: dict[str, str]) -> None:
    """Wait until a pane shows the last of what is written into it."""
    deadline = time.monotonic() + 120
    while text not in (seen := subprocess.run(capture, env=variables, capture_output=True, text=True).stdout):
        assert time.monotonic() < deadline, seen
        time.sleep(0.05)


def test_a_watch_shows_what_arrives_and_ends_at_ctrl_c(tmp_path: Path) -> None:
    town = tmp_path / "gt"
    town.mkdir()
    (tmp_path / "one.json").write_text(
        '{"id": "one", "role": "mayor", "messages": [{"role": "user", "content": "x"}]}'
    )
    command = [*TOOL, "watch", "--interval", "0.05", "--json", "--town", str(town)]
    watch = subprocess.Popen(
        command, env=environment(tmp_path / "home"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert watch.stdout is not None
    assert watch.stderr is not None
    started = watch.stderr.readline()

    corpus(town, "add", str(tmp_path / "one.json"))
    line = json.loads(watch.stdout.readline())
    watch.send_signal(signal.SIGINT)
    _, told = watch.communicate(timeout=20)

    assert "0 entries so far" in started
    assert (line["did"], line["id"], line["role"]) == ("new", "one", "mayor")
    assert (watch.returncode, told) == (130, "interrupted\n")
