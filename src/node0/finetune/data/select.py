# SPDX-License-Identifier: Apache-2.0
"""Select entries for training with counted reasons, and hold sessions out."""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from node0.finetune.config import SelectConfig
from node0.finetune.corpus.quality.contamination import Prompts
from node0.finetune.corpus.quality.copied_answers import Copied, copied_answers
from node0.finetune.corpus.quality.near_duplicates import THRESHOLD, duplicates
from node0.finetune.corpus.schema import CorpusEntry
from node0.finetune.corpus.store import CorpusStore
from node0.finetune.role import EVERY_ROLE

Mode = Literal["sft", "dpo", "pretrain"]


@dataclass(frozen=True)
class Selection:
    """What is trained on."""

    kept: list[CorpusEntry]
    dropped: Counter[str] = field(default_factory=Counter)
    "Reason -> entries."

    copied: Copied = field(default_factory=dict)
    "Answers of kept entries that are learnt in another one."


def select(
    entries: Iterable[CorpusEntry],
    config: SelectConfig,
    *,
    mode: Mode = "sft",
    retracted: Callable[[CorpusEntry], bool] = lambda entry: False,
) -> Selection:
    """Entries that the settings take, oldest first. Quarantined and retracted ones are never taken."""
    passing: list[CorpusEntry] = []
    kept: list[CorpusEntry] = []
    dropped: Counter[str] = Counter()
    per_session: Counter[str] = Counter()
    for entry in sorted(entries, key=lambda entry: (entry.created_at, entry.id)):
        reason = "retracted" if retracted(entry) else _reason(entry, config, mode)
        if reason is None:
            passing.append(entry)
        else:
            dropped[reason] += 1
    unclean = _unclean(passing, config)
    for entry in passing:
        reason = unclean.get(entry.id)
        if reason is None and entry.session_id and config.max_per_session:
            per_session[entry.session_id] += 1
            if per_session[entry.session_id] > config.max_per_session:
                reason = "max_per_session"
        if reason is None:
            kept.append(entry)
        else:
            dropped[reason] += 1
    once = mode == "sft" and config.copied == "once"
    return Selection(kept, dropped, copied_answers(kept) if once else {})


def selected(
    entries: CorpusStore | Iterable[CorpusEntry], role: str, config: SelectConfig | None, *, mode: Mode
) -> Selection:
    """The entries of a role that are trained on; those that a store's retract list names are not.

    config: None takes every entry of the role.

    Raises:
        BadCorpus: an entry or the retract list cannot be read.
    """
    found = of_role(entries, role)
    if config is None:
        kept = sorted(found, key=lambda entry: (entry.created_at, entry.id))
        return Selection(kept, copied=copied_answers(kept) if mode == "sft" else {})
    if isinstance(entries, CorpusStore):
        return select(found, config, mode=mode, retracted=entries.retracted().holds)
    return select(found, config, mode=mode)


def of_role(entries: CorpusStore | Iterable[CorpusEntry], role: str) -> list[CorpusEntry]:
    """The entries of a role, and those of role `all`."""
    if isinstance(entries, CorpusStore):
        entries = entries.list() if role == EVERY_ROLE else [*entries.list(role), *entries.list(EVERY_ROLE)]
    return [entry for entry in entries if role in (EVERY_ROLE, entry.role) or entry.role == EVERY_ROLE]


def _unclean(entries: Sequence[CorpusEntry], config: SelectConfig) -> dict[str, str]:
    """Id -> reason, for what repeats another entry or holds a prompt to be measured on.

    Raises:
        NotFound: there is no file of prompts.
        BadCorpus: it cannot be read.
    """
    reasons: dict[str, str] = {}
    if config.against is not None:
        prompts = Prompts(config.against)
        reasons = {entry.id: "contaminated" for entry in entries if prompts.overlaps(entry)}
    if config.drop_duplicates != "none":
        threshold = 1.0 if config.drop_duplicates == "exact" else THRESHOLD
        clean = [entry for entry in entries if entry.id not in reasons]
        for repeat in duplicates(clean, threshold=threshold):
            reasons[repeat.id] = "duplicate" if repeat.exact else "near duplicate"
    return reasons


def is_document(entry: CorpusEntry) -> bool:
    """Whether nobody answers in it."""
    return not any(message.get("role") == "assistant" for message in entry.messages)


def split_by_session(
    entries: Iterable[CorpusEntry], val_split: float
) -> tuple[list[CorpusEntry], list[CorpusEntry]]:
    """Entries to train on and entries to hold out, by session.

    A session's side follows from its id alone: new sessions move no other one across.
    """
    train: list[CorpusEntry] = []
    val: list[CorpusEntry] = []
    for entry in entries:
        (val if session_place(entry) < val_split else train).append(entry)
    return train, val


def session_place(entry: CorpusEntry) -> float:
    """A number in [0, 1) that follows from the session's id, or the entry's where it has none."""
    name = entry.session_id or entry.bead_id or entry.id
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") / 2**64


def _reason(entry: CorpusEntry, config: SelectConfig, mode: Mode) -> str | None:
    """Why the entry is left out."""
    # A task type is what names operational entries, whose source is then not asked.
    operational = entry.source == "operational" and config.task_types is not None
    checks = (
        ("quarantined", not entry.quarantined),
        ("source", operational or (entry.source in config.sources and entry.source != "operational")),
        ("outcome", entry.source in ("curated", "operational") or entry.outcome in config.outcomes),
        ("quality", _at_least(entry.quality, config.min_quality)),
        ("task_type", _named(entry.task_type, config.task_types)),
        ("rig", _named(entry.rig, config.rigs)),
        ("since", config.since is None or entry.created_at >= config.since),
        *_mode_checks(entry, mode),
    )
    return next((reason for reason, passed in checks if not passed), None)


def _mode_checks(entry: CorpusEntry, mode: Mode) -> tuple[tuple[str, bool], ...]:
    if mode == "dpo":
        return (("no pair", bool(entry.chosen and entry.rejected)),)
    if mode == "sft":
        return (("document", not is_document(entry)),)
    return (("empty", bool(entry.messages)),)


def _at_least(quality: float | None, lowest: float | None) -> bool:
    return quality is None or lowest is None or quality >= lowest


def _named(value: str, names: Sequence[str] | None) -> bool:
    return names is None or value in names
