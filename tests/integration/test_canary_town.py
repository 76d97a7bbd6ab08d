# SPDX-License-Identifier: Apache-2.0
"""What a machine keeps secret, printed by sessions in ten readings, is nowhere in what commands leave."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from bead_rows import bead, closed, write_backup
from canary_machine import PERSON, Machine, build, write_sessions
from tiny_run import make_base, settings
from written_values import READINGS, strings_of

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]

TOOL = "import sys; from node0.{} import main; sys.exit(main())"
SEPARATOR = "\n\0\n"
DOUBTFUL = 'password: "dolphinswim"'
PLACES = {
    "/.corpus/deacon/": 500_000,
    "/out/entries.jsonl": 300_000,
    "/out/deacon.jsonl": 300_000,
    "/.models/dm/": 10_000,
    "README.md": 1_000,
    "metrics.jsonl": 100,
    "what commands said": 20_000,
}
"Parts of the names of files, and the characters that are looked at there at least."

OURS = (".corpus", ".models", ".checkpoints", "out")


class Canaries:
    """A town in which every secret was planted, and what commands said there."""

    def __init__(self, root: Path) -> None:
        self.machine: Machine = build(root / "home", root / "gt")
        self.town, self.said, self.waiting = root / "gt", "", ""
        (self.town / "mayor" / "town.json").write_text('{"type": "town", "version": 2, "name": "gt"}')
        (self.town / "mayor" / "rigs.json").write_text('{"rigs": {"harbor": {}}}')
        write_sessions(self.machine)

    def run(self, tool: str, *argv: str, code: int = 0) -> str:
        """A command in a process whose environment is the machine's."""
        environment = {
            "HOME": str(self.machine.home),
            "PATH": os.defpath,
            "PYTHONPATH": os.pathsep.join(sys.path),
        }
        done = subprocess.run(
            [sys.executable, "-c", TOOL.format(tool), *argv],
            env={**environment, **self.machine.variables, "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            check=False,
            timeout=600,
        )
        assert done.returncode == code, done.stderr[-2000:]
        self.said += done.stdout + done.stderr
        return done.stdout

    def one_of_each_source(self) -> dict[str, str]:
        """The name of an entry by where entries come from."""
        places = sorted((self.town / ".corpus").rglob("*.json"))
        found = ((re.search(r'"source":"([^"]+)"', place.read_text()), place.stem) for place in places)
        return {source[1]: name for source, name in found if source}

    def corpus(self, *argv: str, code: int = 0) -> str:
        return self.run("run_corpus", *argv, "--town", str(self.town), code=code)


@pytest.fixture(scope="module")
def canaries(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Canaries]:
    root = tmp_path_factory.mktemp("canaries")
    it = Canaries(root)
    town, out = it.town, it.town / "out"
    writings = [write(value) for value in it.machine.secrets[::20] for write in READINGS.values()]
    (town / "CLAUDE.md").write_text("# How this town works\n\n" + "\n\n".join(writings))
    beads = [bead(f"hq-{n}", description=text, close_reason=text) for n, text in enumerate(writings)]
    beads += [closed(f"hq-{n}", n, "deacon", text) for n, text in enumerate(writings)]
    doubt = f"# Of the harbor\n\n{it.machine.secrets[0]}\n\n{DOUBTFUL}\n\n{it.machine.secrets[1]} and more\n"
    (town / "harbor" / "mayor" / "rig" / "CLAUDE.md").write_text(doubt)
    backup = write_backup(root / "beads", beads)
    (town / ".models").mkdir()
    (town / ".models" / "settings.yaml").write_text("corpus_sharing: {enabled: true}\n")
    it.corpus("collect", "--documents", "--beads", str(backup), "--min-tokens", "0")
    it.corpus("operational", "--beads", str(backup))
    it.corpus("stats")
    it.waiting = it.corpus("review", "list", "--json")
    it.corpus("review", "list")
    it.corpus("list")
    for name in it.one_of_each_source().values():
        it.corpus("show", name)
    it.corpus("audit", "--json")
    out.mkdir()
    it.corpus("export", "--output", str(out / "entries.jsonl"))
    it.corpus("share", "--role", "deacon", "--output", str(out))
    it.corpus("share", "approve", str(out / "deacon.jsonl"), "--reviewer", "ada")
    base = make_base(root)
    it.corpus("preview", it.one_of_each_source()["claude-code"], "--tokenizer", str(base))
    plan = settings(
        root,
        corpus_path=str(town / ".corpus"),
        checkpoint_dir=str(town / ".checkpoints" / "deacon"),
        max_steps=2,
    )
    (root / "run.yaml").write_text(yaml.safe_dump(plan))
    it.run("run_finetune", "--config", str(root / "run.yaml"), "--register", "dm", "--town", str(town))
    yield it


@pytest.fixture(scope="module")
def texts(canaries: Canaries) -> dict[str, str]:
    """Every file that commands have written, as it is and by its strings, and what they said."""
    files = [path for name in OURS for path in sorted((canaries.town / name).rglob("*")) if path.is_file()]
    whole = {path: path.read_bytes().decode("utf-8", "replace") for path in files if path.suffix != ".key"}
    strings = {
        f"{path}, parsed": parsed(text) for path, text in whole.items() if path.suffix in (".json", ".jsonl")
    }
    assert sum(map(len, strings.values())) > 5000
    parts = {name: SEPARATOR.join(found) for name, found in strings.items()}
    return {**{str(path): text for path, text in whole.items()}, **parts, "what commands said": canaries.said}


def parsed(text: str) -> list[str]:
    """The strings of a JSON document, or of JSON lines."""
    try:
        return strings_of(json.loads(text))
    except ValueError:
        return [
            string for line in text.splitlines() if line.strip() for string in strings_of(json.loads(line))
        ]


def test_every_store_was_planted_and_every_session_collected(canaries: Canaries) -> None:
    entries = [path for path in (canaries.town / ".corpus" / "deacon").iterdir() if path.suffix == ".json"]

    assert len(canaries.machine.secrets) == len(set(canaries.machine.secrets)) == 200
    assert len([path for path in entries if '"source":"claude-code"' in path.read_text()]) == 40
    assert list((canaries.town / ".models" / "dm").rglob("README.md"))


def test_every_place_that_is_looked_at_has_something_in_it(canaries: Canaries, texts: dict[str, str]) -> None:
    """Entries, documents, beads, exports, shares, logs, reports, model cards and the quarantine's view."""
    sources = canaries.one_of_each_source()
    assert sources.keys() == {"claude-code", "document", "operational"}
    assert all(name in canaries.said for name in sources.values())
    for place, least in PLACES.items():
        sizes = [len(text) for name, text in texts.items() if place in name]
        assert sum(sizes) >= least, place
    assert [(one["kind"], one["value"]) for one in json.loads(canaries.waiting)] == [
        ("assigned-secret", "*" * len("dolphinswim"))
    ]


@pytest.mark.parametrize("reading", READINGS)
def test_no_secret_is_left_in_any_reading(canaries: Canaries, texts: dict[str, str], reading: str) -> None:
    written = [READINGS[reading](value) for value in canaries.machine.secrets]

    assert [(name, text) for name, whole in texts.items() for text in written if text in whole] == []


def test_no_secret_is_left_as_it_is(canaries: Canaries, texts: dict[str, str]) -> None:
    names = (*canaries.machine.secrets, *PERSON.values())

    assert [(name, value) for name, whole in texts.items() for value in names if value in whole] == []
