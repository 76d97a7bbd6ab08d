# SPDX-License-Identifier: Apache-2.0
"""What versions of ours did for a role in the place of other agents: sessions, tokens, outcomes, and a price.

Nothing here is measured at a provider. Tokens are estimated as the corpus does, by a quarter of the
characters; the price is what these tokens cost at rates that the operator set, and there is none without.
"""

from collections.abc import Iterable, Mapping
from itertools import accumulate
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from node0.finetune.corpus.schema import CorpusEntry, RecordedCall, estimated_tokens
from node0.finetune.corpus.store import EntryHeader
from node0.finetune.role import EVERY_ROLE
from node0.finetune.statistics.wilson import wilson

MILLION = 1_000_000
SUCCESS, FAILURE = "success", "failure"
"Outcomes that tell how good the worker was."


class Rates(BaseModel):
    """What a hosted model costs, a million tokens each."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    input: float = Field(ge=0, allow_inf_nan=False)
    "Of what a request holds that no request before held."

    cached_input: float = Field(ge=0, allow_inf_nan=False)
    "Of what the request before held already; the same as input where the provider does not cache."

    output: float = Field(ge=0, allow_inf_nan=False)
    "Of what it answers."


class SavingsSettings(BaseModel):
    """The block `savings` of `<town>/.models/settings.yaml`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    currency: str = Field("", max_length=16)
    "What the rates are in; shown beside a price."

    rates: dict[str, Rates] = Field(default_factory=dict)
    "By role, what the hosted model costs that would do its work; `all` is for the other roles."

    def of(self, role: str) -> Rates | None:
        """The rates of a role; None where nobody set any."""
        return self.rates.get(role, self.rates.get(EVERY_ROLE))


class WorkDone(BaseModel):
    """What sessions of a role came to."""

    model_config = ConfigDict(frozen=True)

    sessions: int
    tokens: int
    "Of its entries, estimated; the entry of a later bead holds the session's earlier turns again."

    succeeded: int
    known: int
    "Beads, or sessions without one, that ended in success or failure; other outcomes do not count."

    share: float | None
    low: float | None
    high: float | None
    "Of successes, with bounds of 95 % confidence (Wilson); None where no outcome is known."

    def __str__(self) -> str:
        """`12 sessions, 9 of 10 succeeded (90%, 60% to 98%)`."""
        if self.share is None or self.low is None or self.high is None:
            return f"{self.sessions} sessions, no outcome known"
        bounds = f"{self.share:.0%}, {self.low:.0%} to {self.high:.0%}"
        return f"{self.sessions} sessions, {self.succeeded} of {self.known} succeeded ({bounds})"


class BilledTokens(BaseModel):
    """Tokens as a provider would bill them, estimated."""

    model_config = ConfigDict(frozen=True)

    input: int = 0
    cached_input: int = 0
    output: int = 0

    def price(self, rates: Rates) -> float:
        """What they cost."""
        parts = (
            (self.input, rates.input),
            (self.cached_input, rates.cached_input),
            (self.output, rates.output),
        )
        return sum(tokens * rate for tokens, rate in parts) / MILLION


class RoleSavings(BaseModel):
    """A role in which versions of ours worked."""

    model_config = ConfigDict(frozen=True)

    role: str
    versions: list[str]
    "`NAME:VER` of those that had a session."

    ours: WorkDone
    others: WorkDone
    "Sessions of the role that no version of ours answered."

    billed: BilledTokens | None
    "What ours would have been billed for; None where no rates are set."

    price: float | None
    currency: str

    @property
    def priced(self) -> str:
        """`12.30 USD`; a dash without a price."""
        if self.price is None:
            return "-"
        amount = f"{self.price:,.2f}" if self.price >= 1 else f"{self.price:.2g}"
        return f"{amount} {self.currency}".rstrip()

    def __str__(self) -> str:
        """One line for a person."""
        priced = "no rates are set"
        if self.price is not None:
            priced = f"at your rates {self.priced}"
        versions = ", ".join(self.versions)
        return f"{self.role}: {versions} did {self.ours}, {priced}; other agents: {self.others}"


class Attributed(NamedTuple):
    """An entry of a session, and which version answered it."""

    header: EntryHeader
    version: str
    "`NAME:VER`; empty where none of ours did."


def savings(
    attributed: Iterable[Attributed], settings: SavingsSettings, billed: Mapping[str, BilledTokens]
) -> list[RoleSavings]:
    """A record for each role in which a version of ours had a session, by role.

    Args:
        attributed: entries of sessions.
        settings: the operator's rates.
        billed: by id of an entry, its tokens; of those that are to be priced.
    """
    by_role: dict[str, list[Attributed]] = {}
    for one in attributed:
        by_role.setdefault(one.header.role, []).append(one)
    found = []
    for role, entries in sorted(by_role.items()):
        if any(one.version for one in entries):
            found.append(_of_role(role, entries, settings, billed))
    return found


def billed_tokens(entry: CorpusEntry) -> BilledTokens:
    """The tokens of an entry's recorded calls, as a provider that caches prompts would bill them.

    A call is billed for what stands behind the answer before, and that answer; what was before it was in the
    request before. The first call of a conversation is billed for everything, also system prompt and tools.
    """
    ends = list(accumulate((estimated_tokens([message]) for message in entry.messages), initial=0))
    fresh = cached = written = 0
    answers = [number for number, message in enumerate(entry.messages) if message["role"] == "assistant"]
    for call in entry.requests or _calls(answers):
        if call.n_messages >= len(entry.messages):
            continue
        before = max((number for number in answers if number < call.n_messages), default=None)
        around = _around(entry, call)
        start = ends[before] if before is not None else 0
        fresh += ends[call.n_messages] - start + (around if before is None else 0)
        cached += start + (around if before is not None else 0)
        written += ends[call.n_messages + 1] - ends[call.n_messages]
    return BilledTokens(input=fresh, cached_input=cached, output=written)


def _calls(answers: Iterable[int]) -> list[RecordedCall]:
    """Without recorded calls, every answer counts as one."""
    return [RecordedCall(n_messages=number, system="", tools="") for number in answers]


def _around(entry: CorpusEntry, call: RecordedCall) -> int:
    """Tokens of a call's system prompt and tools."""
    return estimated_tokens(
        [{"content": entry.systems.get(call.system, "")}, {"content": entry.toolsets.get(call.tools, [])}]
    )


def _of_role(
    role: str, entries: list[Attributed], settings: SavingsSettings, billed: Mapping[str, BilledTokens]
) -> RoleSavings:
    ours = [one for one in entries if one.version]
    rates = settings.of(role)
    parts = [billed[one.header.id] for one in ours if one.header.id in billed]
    names = BilledTokens.model_fields
    whole = BilledTokens(**{name: sum(getattr(part, name) for part in parts) for name in names})
    return RoleSavings(
        role=role,
        versions=sorted({one.version for one in ours}),
        ours=_work(one.header for one in ours),
        others=_work(one.header for one in entries if not one.version),
        billed=whole if rates is not None else None,
        price=whole.price(rates) if rates is not None else None,
        currency=settings.currency,
    )


def _work(headers: Iterable[EntryHeader]) -> WorkDone:
    rows = list(headers)
    known = [header.outcome for header in rows if header.outcome in (SUCCESS, FAILURE)]
    succeeded = known.count(SUCCESS)
    low, high = wilson(succeeded, len(known)) if known else (None, None)
    return WorkDone(
        sessions=len({header.session_id for header in rows}),
        tokens=sum(header.tokens for header in rows),
        succeeded=succeeded,
        known=len(known),
        share=succeeded / len(known) if known else None,
        low=low,
        high=high,
    )
