# SPDX-License-Identifier: Apache-2.0
"""Readers of what a town and its machine keep for themselves: rows, decisions, stores, conventions."""

import json
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from attack.fuzz import Reader
from attack.mutations import as_json, as_lines, mutated_bytes, mutated_tree
from attack.readers.model_readers import make_adapter
from attack.readers.sqlite_values import stored
from node0.finetune.corpus.known.found_secrets import FoundSecrets
from node0.finetune.corpus.known.machine_secrets import MachineSecrets
from node0.finetune.corpus.known.machine_stores import stores_of
from node0.finetune.corpus.known.persons import persons_of
from node0.finetune.corpus.quality.review_queue import DECISIONS, CurrentDecisions
from node0.finetune.corpus.town.conventions import fingerprints
from node0.finetune.inference.source import find_model
from node0.finetune.registry.publish import publish
from node0.finetune.registry.signatures.integrity import MOVES
from node0.finetune.registry.store import ModelRegistry
from node0.town import Town

STORE = "store.sqlite"
_TABLES = ("model_registry", "model_artefacts")
_KEPT = "tide-42-harbor-9Xq7Lm2Rv8Tz"
"What a store that nobody touches holds; it is known whatever the others are."

_STORES: Mapping[str, bytes] = {
    ".netrc": b"machine pier.example login keeper password Zk9#pQ2vLx7Rt\ndefault login a password b\n"
    b"macdef init\n cd /\n\n",
    ".kube/config": b"apiVersion: v1\nkind: Config\nusers:\n- name: keeper\n  user:\n"
    b"    token: eyJhbGciOiJIUzI1NiJ9.e30.Zk9pQ2vLx7Rt\n    client-key-data: TU5PUFFSU1RVVldYWVphYmNk\n",
    ".docker/config.json": b'{"auths": {"pier.example": {"auth": "a2VlcGVyOlprOSNwUTJ2THg3UnQ="}}, '
    b'"credsStore": "x"}',
    ".env": b"export HARBOR_TOKEN='hy_0123456789abcdef'\nURL=postgres://keeper:Zk9pQ2vLx7Rt@pier.example/db\n",
    ".aws/credentials": b"[default]\naws_access_key_id = AKIA0123456789ABCDEF\n"
    b"aws_secret_access_key = wJalrXUtnFEMIK7MDENGbPxRfiCYZk9pQ2vLx7Rt\n",
    ".m2/settings.xml": b"<settings><servers><server><password>Zk9pQ2vLx7Rt</password></server></servers>"
    b"</settings>",
    ".cargo/credentials.toml": b'[registry]\ntoken = "Zk9pQ2vLx7RtZk9pQ2vLx7Rt"\n',
    ".pgpass": b"pier.example:5432:db:keeper:Zk9pQ2vLx7Rt\n",
    ".ssh/id_ed25519": b"-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQ\n"
    b"-----END OPENSSH PRIVATE KEY-----\n",
}
_DEEP = 5_000
_HOSTILE: Sequence[tuple[str, bytes]] = (
    (".kube/config", b"apiVersion: v1\nb0: &b0 [x, x]\n"
     + b"".join(b"b%d: &b%d [*b%d, *b%d]\n" % (n + 1, n + 1, n, n) for n in range(40))),
    (".m2/settings.xml", b'<!DOCTYPE a [<!ENTITY b0 "bbbbbbbbbb">'
     + b"".join(b'<!ENTITY b%d "%s">' % (n + 1, b"&b%d;" % n * 10) for n in range(9)) + b"]><a>&b9;</a>"),
    (".m2/settings.xml", b"<a>" * 100_000),
    (".docker/config.json", b'{"a":' * _DEEP + b"1" + b"}" * _DEEP),
    (".cargo/credentials.toml", b"a = " + b"[" * _DEEP + b"]" * _DEEP),
    (".env", b"A='" + b"\\a" * 200_000), (".env", b"A=" + b"://a:" * 100_000 + b"@b"),
    (".env", b"\n".join(b'A%d="' % n for n in range(20_000))), (".env", b"A" * 900_000 + b"="),
    (".netrc", b"machine a login b password " * 30_000), (".netrc", b'machine a password "' * 9_000),
    (".ssh/id_ed25519", b"-----BEGIN PRIVATE KEY-----" * 30_000),
)  # fmt: skip
"What grows while it is read, or nests."


def registry_rows(place: Path) -> Reader:
    """A row of the registry, any change of which is refused while other versions are listed."""
    town = _town(place / "town")
    registry = ModelRegistry(town)
    for name in ("deacon", "witness"):
        publish(registry, make_adapter(place / name), name=name, role=name, models=town.models)
    whole = registry.require("deacon:1")
    registry.close()
    store = town.models / STORE
    kept, rows = store.read_bytes(), _rows(store)

    def read(data: bytes) -> None:
        _clear(store, kept)
        _write_rows(store, rows, data)
        opened = ModelRegistry(town)
        try:
            listed = [entry.name for entry in opened.list()]
            if "witness" not in listed:
                raise AssertionError("another version is not listed")
            find_model("deacon:1", town=town.root)
            if opened.require("deacon:1").model_dump(exclude=MOVES) != whole.model_dump(exclude=MOVES):
                raise AssertionError("a changed row was used")
        finally:
            opened.close()

    read(as_json(rows))
    return Reader(mutated_tree([rows], as_json), read)


def store_files(place: Path) -> Reader:
    """The registry's database file with changed bytes."""
    town = _town(place / "town")
    registry = ModelRegistry(town)
    publish(registry, make_adapter(place / "run"), name="deacon", role="deacon", models=town.models)
    registry.close()
    store = town.models / STORE

    def read(data: bytes) -> None:
        _clear(store, data)
        opened = ModelRegistry(town)
        try:
            opened.list()
            find_model("deacon:1", town=town.root)
        finally:
            opened.close()

    whole = store.read_bytes()
    read(whole)
    return Reader(mutated_bytes([whole]), read)


def machine_stores(place: Path) -> Reader:
    """Credential stores of a home, by their name; what another store holds is known nevertheless."""
    home = place / "home"
    for name in _STORES:
        (home / name).parent.mkdir(parents=True, exist_ok=True)
    (home / ".npmrc").write_text(f"//pier.example/:_authToken={_KEPT}\n")

    def read(data: bytes) -> None:
        name, _, content = data.partition(b"\0")
        for other in _STORES:
            (home / other).unlink(missing_ok=True)
        (home / name.decode()).write_bytes(content)
        machine = MachineSecrets({}, lambda: stores_of(home, {}, None))
        list(machine.findings(f"it is {_KEPT} here", [_KEPT]))
        if _KEPT not in machine.values:
            raise AssertionError("what another store holds is not known")

    drawn = [mutated_bytes([whole]).map(partial(_named, name)) for name, whole in _STORES.items()]
    trees = mutated_tree([json.loads(_STORES[".docker/config.json"])], as_json)
    hostile = st.sampled_from([_named(name, data) for name, data in _HOSTILE])
    return Reader(
        st.one_of(*drawn, trees.map(lambda data: _named(".docker/config.json", data)), hostile), read
    )


def decisions(place: Path) -> Reader:
    """What a person decided in review."""
    file = place / DECISIONS
    known = {"key": "a" * 32, "accepted": ["b" * 64], "redacted": ["c" * 64]}

    def read(data: bytes) -> None:
        file.write_bytes(data)
        CurrentDecisions(place).verdict("dolphinswim")

    return Reader(mutated_tree([known], as_json), read)


def found_secrets(place: Path) -> Reader:
    """The digests of secrets that were found before."""
    file = place / "found-secrets.jsonl"
    FoundSecrets(lambda: b"k" * 32, file).learn(["Zk9pQ2vLx7Rt"])
    known = [[12, 0, "ab" * 12, "cd" * 12], [9, 2, "", "ef" * 12]]

    def read(data: bytes) -> None:
        file.write_bytes(data)
        list(FoundSecrets(lambda: b"k" * 32, file).findings("it is Zk9pQ2vLx7Rt here", ["Zk9pQ2vLx7Rt"]))

    return Reader(mutated_tree([known], as_lines), read)


def conventions(place: Path) -> Reader:
    """What a town asks of its agents, as its fingerprints are taken: settings, a formula, CLAUDE.md."""
    town = _town(place / "town")
    settings = {"role_agents": {"deacon": "claude"}, "agents": {"a": {"command": "x", "args": ["y"]}}}
    town.settings_file.parent.mkdir(parents=True, exist_ok=True)
    formulas = town.root / ".beads" / "formulas"
    formulas.mkdir(parents=True)

    def read(data: bytes) -> None:
        for file in (town.settings_file, town.root / "CLAUDE.md", formulas / "a.formula.toml"):
            file.write_bytes(data)
        fingerprints(town, "deacon")

    return Reader(mutated_tree([settings], as_json), read)


def accounts(place: Path) -> Reader:
    """gt's lists of accounts and rigs."""
    town = _town(place / "town")
    known = {"accounts": {"work": {"config_dir": "~/account"}}, "rigs": {"brass": {"git_url": "x"}}}

    def read(data: bytes) -> None:
        town.accounts_file.write_bytes(data)
        town.rigs_file.write_bytes(data)
        town.claude_dirs()
        town.account_states()
        town.rigs()

    return Reader(mutated_tree([known], as_json), read)


def overseer(place: Path) -> Reader:
    """What gt knows of the person behind a town."""
    town = _town(place / "town")
    facts = {"name": "Ada Keeper", "email": "ada@pier.example", "username": "adak", "source": "git"}

    def read(data: bytes) -> None:
        (town.root / "mayor" / "overseer.json").write_bytes(data)
        list(persons_of(town))

    return Reader(mutated_tree([facts], as_json), read)


def _town(root: Path) -> Town:
    (root / "mayor").mkdir(parents=True)
    (root / "mayor" / "town.json").write_text("{}")
    return Town(root)


def _named(name: str, data: bytes) -> bytes:
    return name.encode() + b"\0" + data


def _clear(store: Path, data: bytes) -> None:
    for beside in store.parent.glob(f"{store.name}*"):
        beside.unlink()
    store.write_bytes(data)


def _rows(store: Path) -> dict[str, list[dict[str, Any]]]:
    """The rows of one version, by table and column."""
    with closing(sqlite3.connect(store)) as db:
        db.row_factory = sqlite3.Row
        return {
            table: [dict(row) for row in db.execute(f"SELECT * FROM {table} WHERE name = 'deacon'")]
            for table in _TABLES
        }


def _write_rows(store: Path, whole: Mapping[str, Sequence[Mapping[str, Any]]], data: bytes) -> None:
    """Put what a document says in the place of the rows; what SQLite does not take stays away."""
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        return
    with closing(sqlite3.connect(store)) as db, db:
        db.execute("PRAGMA foreign_keys=OFF")
        db.execute("PRAGMA ignore_check_constraints=ON")
        for table, rows in whole.items():
            changed = found.get(table) if isinstance(found, dict) else None
            for number, row in enumerate(rows):
                new = changed[number] if isinstance(changed, list) and number < len(changed) else None
                _write_row(db, table, row, new if isinstance(new, dict) else {})


def _write_row(db: sqlite3.Connection, table: str, row: Mapping[str, Any], new: Mapping[str, Any]) -> None:
    where = " AND ".join(f"{column} IS ?" for column in row)
    values = [stored(new.get(column)) for column in row]
    with suppress(sqlite3.Error, UnicodeError):
        db.execute(
            f"UPDATE {table} SET {', '.join(f'{column} = ?' for column in row)} WHERE {where}",
            [*values, *row.values()],
        )
