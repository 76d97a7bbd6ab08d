# SPDX-License-Identifier: Apache-2.0
"""Commands on pairs of a corpus: mine them, look at them side by side, and decide."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from node0 import console
from node0.commands.chat.typed_message import line_reader
from node0.commands.dpo.asked_key import LATER, QUIT, ask
from node0.commands.dpo.side_by_side import show_beside
from node0.commands.known_role import require_role
from node0.commands.model.open_registry import open_registry
from node0.errors import BadCorpus, ConfigError, NotFound
from node0.finetune.chat.profile import load_profile
from node0.finetune.corpus.schema import CorpusEntry
from node0.finetune.corpus.store import CorpusStore
from node0.finetune.dpo.mined_log import MinedLog
from node0.finetune.dpo.mined_pair import VERDICTS, MinedPair, pair_entry
from node0.finetune.dpo.mining import mine

NOTHING_WAITS = "no mined pair waits; look for some: node0 dpo mine"


@dataclass(frozen=True)
class _Looked:
    """A pair, and what its sessions say today."""

    pair: MinedPair
    entry: CorpusEntry | None
    trouble: str = ""


def mine_corpus(town: Path | None, *, role: str | None, profile: Path | None, as_json: bool) -> None:
    """Look for pairs, keep them, and tell how many."""
    with open_registry(town, create=True) as (registry, place):
        require_role(role, place, (entry.role for entry in registry.list()))
        found = mine(CorpusStore(place), role, profile_for=lambda name: load_profile(name, profile))
        kept = MinedLog(registry.store).keep(found.pairs, role=role)
    facts = {"sessions": found.entries, "shared_situations": found.situations, **kept._asdict()}
    console.emit([facts], as_json=as_json)
    if kept.new + kept.waiting:
        console.note(f"{kept.new + kept.waiting} pairs are of no use before somebody looks: node0 dpo review")


def review(town: Path | None, *, role: str | None, as_json: bool) -> None:
    """Show each pair that waits, and keep what a person says of it; with `as_json` list them."""
    with open_registry(town, create=not as_json) as (registry, place):
        require_role(role, place, (entry.role for entry in registry.list()))
        log, corpus = MinedLog(registry.store), CorpusStore(place)
        waiting = [_looked(pair, corpus) for pair in log.list(role=role, verdicts=("waiting",))]
        if as_json:
            console.emit([_told(one) for one in waiting], as_json=True)
        elif waiting:
            _ask_about(waiting, log)
        else:
            console.note(NOTHING_WAITS)


def decide(ids: Sequence[str], verdict: str, town: Path | None, *, reason: str) -> None:
    """Keep the same verdict on each of these pairs."""
    if verdict not in VERDICTS:
        raise ConfigError(f"no verdict {verdict!r}; there are {', '.join(VERDICTS)}")
    with open_registry(town, create=True) as (registry, _):
        log = MinedLog(registry.store)
        known = {one.id for one in log.list()}
        for name in ids:
            if name not in known:
                raise NotFound(
                    f"no mined pair {name!r}, so nothing was decided; see: node0 dpo review --json"
                )
        for name in ids:
            console.note(f"{name} is {log.decide(name, VERDICTS[verdict], reason=reason).verdict}")


def _ask_about(waiting: Sequence[_Looked], log: MinedLog) -> None:
    read, left = line_reader(), len(waiting)
    for number, one in enumerate(waiting, start=1):
        if one.entry is None:
            console.note(f"{one.pair.id}: {one.trouble}; passed over")
            continue
        _show(one.pair, one.entry, f"{one.pair.id}, {number} of {len(waiting)}")
        said = ask(read, list(VERDICTS))
        if said.word == QUIT:
            break
        if said.word != LATER:
            log.decide(one.pair.id, VERDICTS[said.word], reason=said.reason)
            left -= 1
    console.note(f"{left} pairs wait; those that were accepted or swapped go out with: node0 dpo export")


def _show(pair: MinedPair, entry: CorpusEntry, about: str) -> None:
    prompt = entry.messages
    show_beside(
        [*prompt, *(entry.chosen or ())],
        [*prompt, *(entry.rejected or ())],
        titles=(
            f"better? {_counted(pair.chosen.successes, pair.chosen.failures)}",
            f"worse? {_counted(pair.rejected.successes, pair.rejected.failures)}",
        ),
        about=f"{about} ({pair.role}: {pair.chosen.entry_id}, {pair.rejected.entry_id})",
    )


def _counted(successes: int, failures: int) -> str:
    return f"{successes} of {successes + failures} sessions succeeded"


def _looked(pair: MinedPair, corpus: CorpusStore) -> _Looked:
    try:
        return _Looked(pair, pair_entry(pair, corpus))
    except (NotFound, BadCorpus) as error:
        return _Looked(pair, None, str(error))


def _told(one: _Looked) -> dict[str, Any]:
    prompt = one.entry.messages if one.entry is not None else []
    return one.pair.model_dump() | {"prompt": prompt, "trouble": one.trouble}
