# SPDX-License-Identifier: Apache-2.0
"""Mine pairs from a corpus: in one situation a session went one way and succeeded, another one failed.

That does not say that the answers made the difference, so a mined pair is a candidate until a person has
looked at it (`mined_log`).
"""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from node0.finetune.chat.profile import DeploymentProfile, load_profile
from node0.finetune.corpus.schema import CorpusEntry
from node0.finetune.corpus.store import CorpusStore
from node0.finetune.data.calls import recorded_calls
from node0.finetune.data.select import is_document
from node0.finetune.dpo.mined_pair import MinedPair, MinedSide, digest_of_turns
from node0.finetune.dpo.session_names import SessionNames, with_texts
from node0.finetune.dpo.situations import FAILURE, SUCCESS, Decision, decisions, names_before
from node0.finetune.registry.model_events import now


@dataclass(frozen=True)
class Mined:
    """What a corpus gave, and of what."""

    pairs: Sequence[MinedPair]
    entries: int
    "Entries that succeeded or failed."

    situations: int
    "Situations that both kinds were in."


@dataclass(frozen=True)
class Option:
    """One answer to a situation, and the decisions for it."""

    answer: str
    taken: Sequence[Decision]

    @property
    def successes(self) -> int:
        """Sessions that went this way and succeeded."""
        return len({one.session for one in self.taken if one.succeeded})

    @property
    def failures(self) -> int:
        """Sessions that went this way and failed."""
        return len({one.session for one in self.taken if not one.succeeded})

    @property
    def share(self) -> float:
        """Share of sessions that succeeded."""
        return self.successes / (self.successes + self.failures)

    def example(self, *, succeeded: bool, other_than: str = "") -> Decision | None:
        """The first decision of this kind whose session is another one."""
        fitting = [one for one in self.taken if one.succeeded is succeeded and one.session != other_than]
        return min(fitting, key=lambda one: (one.entry_id, one.turn), default=None)


@dataclass(frozen=True)
class Parting:
    """Two answers to one situation, with a session that took the better one and one that took the worse."""

    better: Option
    worse: Option
    good: Decision
    bad: Decision


def mine(
    store: CorpusStore,
    role: str | None = None,
    *,
    profile_for: Callable[[str], DeploymentProfile] = load_profile,
) -> Mined:
    """Candidates of a role, or of all, by situation and answer.

    Left out are entries that wait in quarantine, were retracted, or are no recorded session.

    Raises:
        BadCorpus: an entry or the retract list cannot be read.
    """
    taken: dict[str, list[Decision]] = defaultdict(list)
    entries = 0
    for entry in _ended(store, role):
        entries += 1
        for decision in decisions(entry, profile_for(entry.role)):
            taken[decision.situation].append(decision)
    shared = {name: group for name, group in taken.items() if len({one.succeeded for one in group}) == 2}
    found = [parting for name in sorted(shared) for parting in partings(shared[name])]
    return Mined([_mined(store, one, profile_for=profile_for) for one in found], entries, len(shared))


def partings(group: Iterable[Decision]) -> Iterator[Parting]:
    """For each answer to a situation that a failed session gave, the best of those that are better.

    Better is an answer of a session that succeeded, of which a larger share of sessions did. One of the two
    makes a call: words alone decide nothing.
    """
    by_answer: dict[str, list[Decision]] = defaultdict(list)
    for decision in group:
        by_answer[decision.answer].append(decision)
    options = [Option(answer, taken) for answer, taken in sorted(by_answer.items())]
    best_first = sorted(options, key=lambda one: (-one.share, -one.successes))
    for worse in options:
        parting = next((found for better in best_first if (found := _parting(better, worse))), None)
        if parting is not None:
            yield parting


def _ended(store: CorpusStore, role: str | None) -> Iterator[CorpusEntry]:
    """Recorded sessions that succeeded or failed and may be trained on."""
    retracted = store.retracted()
    for header in store.headers(role):
        if header.quarantined or header.outcome not in (SUCCESS, FAILURE):
            continue
        entry = store.get(header.id)
        if not retracted.holds(entry) and entry.chosen is None and not is_document(entry):
            yield entry


def _parting(better: Option, worse: Option) -> Parting | None:
    """None where the first is not better, or no two sessions show it."""
    if better.share <= worse.share or not (better.taken[0].makes_calls or worse.taken[0].makes_calls):
        return None
    good = better.example(succeeded=True)
    bad = worse.example(succeeded=False, other_than=good.session if good else "")
    return Parting(better, worse, good, bad) if good and bad else None


def _mined(
    store: CorpusStore, found: Parting, *, profile_for: Callable[[str], DeploymentProfile]
) -> MinedPair:
    good, bad = found.good, found.bad
    winner, loser = store.get(good.entry_id), store.get(bad.entry_id)
    profile = profile_for(winner.role)
    names = dict(
        zip(names_before(loser, bad.turn, profile), names_before(winner, good.turn, profile), strict=True)
    )
    words = SessionNames(loser)
    answer = with_texts(_turn(loser, bad), lambda text: words.renamed(text, names))
    name = f"{good.situation} {found.better.answer} {found.worse.answer}"
    return MinedPair(
        id=f"mined-{hashlib.sha256(name.encode()).hexdigest()[:16]}",
        role=winner.role,
        situation=good.situation,
        chosen=_side(winner, good, found.better, _turn(winner, good)),
        rejected=_side(loser, bad, found.worse, answer),
        found_at=now(),
    )


def _turn(entry: CorpusEntry, decision: Decision) -> dict[str, object]:
    return dict(recorded_calls(entry, None)[0][decision.turn])


def _side(entry: CorpusEntry, decision: Decision, option: Option, answer: dict[str, object]) -> MinedSide:
    return MinedSide(
        entry_id=entry.id,
        turn=decision.turn,
        digest=digest_of_turns(entry, decision.turn),
        answer=answer,
        successes=option.successes,
        failures=option.failures,
    )
