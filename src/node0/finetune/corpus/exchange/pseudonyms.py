# SPDX-License-Identifier: Apache-2.0
"""Pseudonyms for what is shared: `sha256(name + salt)`, cut off.

The salt is the town's secret, so that nobody else can try names.
"""

import hashlib

from node0.finetune.corpus.schema import CorpusEntry
from node0.finetune.corpus.town_secret import read_town_secret
from node0.town import Town

ID_DIGITS = 16


def pseudonymized(entry: CorpusEntry, salt: str) -> CorpusEntry:
    """The entry under a name that tells nothing: no bead, no day, no digest of what was taken out."""
    systems = {name: f"system-{number}" for number, name in enumerate(entry.systems)}
    toolsets = {name: f"tools-{number}" for number, name in enumerate(entry.toolsets)}
    calls = [
        call.model_copy(
            update={"system": systems[call.system], "tools": toolsets[call.tools], "answer": "", "at": ""}
        )
        for call in entry.requests
    ]
    return entry.model_copy(
        update={
            "id": pseudonym(entry.id, salt, ID_DIGITS),
            "session_id": pseudonym(entry.session_id, salt, ID_DIGITS) if entry.session_id else None,
            "rig": "",
            "bead_id": None,
            "origin": None,
            "created_at": f"{entry.created_at[:7]}-01T00:00:00Z",
            "systems": {systems[name]: text for name, text in entry.systems.items()},
            "toolsets": {toolsets[name]: tools for name, tools in entry.toolsets.items()},
            "requests": calls,
        }
    )


def pseudonym(name: str, salt: str, digits: int) -> str:
    """What stands for a name: always the same, and of no use without the salt."""
    return hashlib.sha256((name + salt).encode()).hexdigest()[:digits]


def read_salt(town: Town) -> str:
    """The town's secret, made when it is first needed.

    Raises:
        ConfigError: others can read it.
    """
    return read_town_secret(town.models / "sharing.salt", to="share under new names")
