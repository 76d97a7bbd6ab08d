# SPDX-License-Identifier: Apache-2.0
"""Closed lists of every name and id in the sample town. Each one is a token of the sample tokenizer."""

import random


def words(text: str) -> tuple[str, ...]:
    """The words of a text."""
    return tuple(text.split())


RIGS = {"harbor": "hb", "lantern": "ln", "orchard": "or", "quarry": "qy", "meadow": "md", "foundry": "fd"}
"Rigs and the prefix of their beads."

POLECATS = words(
    "nux slit rictus furiosa toast capable cheedo keeper morsov ace jasper opal onyx topaz garnet quartz "
    "flint cobalt umber ochre sable hazel rowan alder"
)

AGENTS = {rig: tuple(f"{rig}/{name}" for name in POLECATS[at::6]) for at, rig in enumerate(RIGS)}
"Addresses of the polecats of each rig. A polecat belongs to one rig."

DOGS = words("rex fido bruno luna biscuit pepper")

PLUGINS = words("dolt-backup dolt-snapshots quality-review stuck-agent compactor rebuild-gt")

SYMBOLS = words(
    "parse_header load_config retry_request merge_rows split_batch open_socket read_chunk flush_cache "
    "route_event render_row check_quota hash_block"
)

PATHS = tuple(
    f"src/{package}/{module}.py"
    for package, modules in {
        "net": "socket proxy retry",
        "store": "rows cache index",
        "feed": "events router batch",
        "view": "render layout theme",
    }.items()
    for module in modules.split()
)

TITLES = (
    "retry stops after one failure",
    "cache is never flushed",
    "config file is read twice",
    "header parser drops the last field",
    "rows are merged in the wrong order",
    "batch is split at the wrong byte",
    "socket stays open after close",
    "layout breaks on narrow screens",
    "theme is lost on reload",
    "index grows without bound",
    "router sends events twice",
    "quota is checked too late",
)

_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"
_PER_RIG = 20


def _codes(prefix: str, *, count: int) -> tuple[str, ...]:
    """Ids in bd's form, the same in every town: a prefix and base-36 signs."""
    rng = random.Random(f"codes of {prefix}")
    codes: dict[str, None] = {}
    while len(codes) < count:
        # A letter first and a digit last, so that no id reads as a word or a number.
        code = "".join((rng.choice(_ALPHABET[:23]), rng.choice(_ALPHABET), rng.choice(_ALPHABET[23:])))
        codes[f"{prefix}-{code}"] = None
    return tuple(codes)


BEADS = {rig: _codes(prefix, count=_PER_RIG) for rig, prefix in RIGS.items()}
"Work items of each rig."

REQUESTS = {rig: _codes(f"{prefix}-mr", count=6) for rig, prefix in RIGS.items()}
"Merge requests of each rig."

CONVOYS = _codes("hq-cv", count=20)
MAILS = _codes("hq-ml", count=20)
GATES = _codes("hq-gt", count=16)
PATROLS = _codes("hq-wisp", count=16)


def whole_words() -> list[str]:
    """Every name and id, sorted."""
    beads = [bead for group in (*BEADS.values(), *REQUESTS.values()) for bead in group]
    agents = [agent for group in AGENTS.values() for agent in group]
    named = (*RIGS, *POLECATS, *agents, *DOGS, *PLUGINS, *SYMBOLS, *PATHS)
    return sorted({*beads, *CONVOYS, *MAILS, *GATES, *PATROLS, *named})
