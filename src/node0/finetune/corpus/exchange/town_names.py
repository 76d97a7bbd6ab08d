# SPDX-License-Identifier: Apache-2.0
"""Gather the names that identify a town and its operator, from its files and this machine."""

import pwd
import re
import socket
from collections.abc import Iterable, Iterator
from os import getuid
from pathlib import Path
from typing import Any

from node0.documents.json_document import value_of
from node0.finetune.corpus.exchange.identifiers import ROLES, Identifiers
from node0.finetune.corpus.known.persons import overseer_names
from node0.finetune.corpus.store import EntryHeader
from node0.town import Town

EVERY_TOWN = re.compile(rf"{ROLES}|hq|gt|all|main|master|src|git|repo|app|work|workspace", re.IGNORECASE)
EVERY_MACHINE = re.compile(
    "root|user|admin|ubuntu|debian|runner|node|app|docker|nobody|home|guest|test|local|localhost|host",
    re.IGNORECASE,
)
"Names that tell nobody anything."

SHORTEST = 2


def gather(
    town: Town, headers: Iterable[EntryHeader], *, machine: Iterable[str] | None = None
) -> Identifiers:
    """What must not leave this town.

    Args:
        headers: Of the whole corpus, also of what is not shared.
        machine: Names of accounts and of the machine; None asks the system.
    """
    known = list(headers)
    rigs = {*town.rigs(), *(header.rig for header in known)}
    beads = {header.bead_id for header in known if header.bead_id}
    names = {*_town_names(town), *overseer_names(town), *_crew(town), *_repositories(town)}
    system = {
        name
        for name in (machine_names() if machine is None else machine)
        if not EVERY_MACHINE.fullmatch(name)
    }
    return Identifiers(
        rigs=frozenset(_telling(rigs)),
        names=frozenset(_telling(names | system)),
        prefixes=frozenset({"hq", *_prefixes(town), *(bead.partition("-")[0] for bead in beads)} - {""}),
        beads=frozenset(beads),
    )


def machine_names() -> set[str]:
    """The account, its person, the home directory and the host that this runs on."""
    try:
        account = pwd.getpwuid(getuid())
        person = [account.pw_name, account.pw_gecos.partition(",")[0], Path(account.pw_dir).name]
    except KeyError:  # a container may run under a number without a name
        person = []
    host = socket.gethostname()
    return {name for name in (*person, host, host.partition(".")[0]) if len(name) > SHORTEST}


def _telling(names: Iterable[str]) -> Iterator[str]:
    return (name for name in names if len(name) >= SHORTEST and not EVERY_TOWN.fullmatch(name))


def _town_names(town: Town) -> Iterator[str]:
    yield town.root.name
    facts = _json(town.root / "mayor" / "town.json")
    yield from (str(facts[key]) for key in ("name", "public_name", "owner") if facts.get(key))


def _crew(town: Town) -> Iterator[str]:
    """People with a workspace of their own."""
    for rig in town.rigs():
        place = town.root / rig / "crew"
        yield from (path.name for path in place.iterdir() if path.is_dir()) if place.is_dir() else ()


def _repositories(town: Town) -> Iterator[str]:
    """Owner and name of each rig's repository."""
    for rig in _rigs(town):
        parts = re.split(r"[/:@]+", str(rig.get("git_url") or "").removesuffix(".git"))
        yield from parts[-2:] if len(parts) > 2 else ()


def _prefixes(town: Town) -> Iterator[str]:
    for rig in _rigs(town):
        beads = rig.get("beads")
        yield str(beads.get("prefix") or "") if isinstance(beads, dict) else ""
    routes = town.root / ".beads" / "routes.jsonl"
    for line in routes.read_text(encoding="utf-8", errors="replace").splitlines() if routes.is_file() else ():
        yield str(_loads(line).get("prefix") or "").rstrip("-")


def _rigs(town: Town) -> Iterator[dict[str, Any]]:
    rigs = _json(town.rigs_file).get("rigs")
    yield from (rig for rig in rigs.values() if isinstance(rig, dict)) if isinstance(rigs, dict) else ()


def _json(path: Path) -> dict[str, Any]:
    return _loads(path.read_text(encoding="utf-8", errors="replace")) if path.is_file() else {}


def _loads(text: str) -> dict[str, Any]:
    try:
        value = value_of(text)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
