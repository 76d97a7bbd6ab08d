# SPDX-License-Identifier: Apache-2.0
"""The person behind a town, as gt and git know them: `mayor/overseer.json`, and `user.name` of git."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from node0.finetune.corpus.scrub.rules.personal.personal_names import NOBODY, ROBOTS
from node0.town import Town

GENERIC = re.compile(
    r"root|admin|administrator|ubuntu|debian|fedora|ec2-user|vagrant|node|app|docker|nobody|home|guest|test|local|dev"
    r"|developer|git|github|gitlab|ci|build|jenkins|human|owner|overseer|mayor|agent|bot|claude|codex|gemini|main|master",
    re.IGNORECASE,
)
"Names of accounts that name nobody."

SHORTEST = 3
PARTS = re.compile(r"[\W\d_]+")
"Between the words of a name or an account."

FIELDS = {"name": "name", "email": "email", "username": "user", "user": "user", "login": "user"}
"Fields of `overseer.json`, each with the kind that it is."


class Known(NamedTuple):
    """One way to name a person."""

    kind: str
    "As the rules for personal data call it."

    name: str
    "The same for every spelling."

    spelling: str


def persons_of(town: Town) -> Iterator[Known]:
    """Every name, address and account of the town's overseer, in each of its spellings."""
    facts = _facts(town.root / "mayor" / "overseer.json")
    for field, kind in FIELDS.items():
        value = facts.get(field)
        if isinstance(value, str) and _tells(value.strip()):
            yield from _spelled(kind, value.strip())


def overseer_names(town: Town) -> set[str]:
    """All that may call the overseer by name: also a first or last name alone, and the usual handles."""
    facts = _facts(town.root / "mayor" / "overseer.json")
    known = {field: str(facts[field]).strip() for field in FIELDS if isinstance(facts.get(field), str)}
    accounts = {value.partition("@")[0] for value in known.values()}
    words = {word for value in {known.get("name", ""), *accounts} for word in PARTS.split(value)}
    handles = set(_handles(known.get("name", "").split()))
    return {name for name in {*known.values(), *accounts, *words, *handles} if _tells(name)}


def _handles(words: Sequence[str]) -> Iterator[str]:
    """Accounts as people make them of a first and a last name."""
    if len(words) > 1:
        first, last = words[0].lower(), words[-1].lower()
        yield from (first[0] + last, first + last[0], last + first[0])


def _tells(value: str) -> bool:
    nobody = NOBODY.fullmatch(value) or GENERIC.fullmatch(value) or value.lower() in ROBOTS
    return len(value) >= SHORTEST and not nobody


def _spelled(kind: str, value: str) -> Iterator[Known]:
    words = value.split()
    spelled = {value, value.lower(), value.upper(), value.title()} if kind != "user" else {value}
    if len(words) > 1:
        for sign in (" ", ".", "_", "-", "", "+", "%20"):
            whole = sign.join(words)
            spelled |= {whole, whole.lower(), whole.upper()}
    yield from (Known(kind, value.lower(), one) for one in sorted(spelled))


def _facts(path: Path) -> Mapping[str, Any]:
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return facts if isinstance(facts, dict) else {}
