# SPDX-License-Identifier: Apache-2.0
"""The gate: whether a version may be put to work for its role."""

import logging
from collections.abc import Iterator, Sequence
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from node0.errors import GateRefused
from node0.finetune.deploy.at_work import AtWork
from node0.finetune.registry.evaluations import Evaluation, EvaluationDetail
from node0.finetune.registry.schema import ModelRegistryEntry
from node0.finetune.registry.states import DeploymentStatus
from node0.finetune.statistics.power import ALPHA, items_to_decide
from node0.finetune.statistics.regression import MARGIN, Compared, Outcomes, compare
from node0.finetune.statistics.settling import More, Unsettled, unsettled
from node0.finetune.statistics.tallies import Estimate, estimate
from node0.finetune.statistics.verdict import Verdict, against
from node0.finetune.statistics.wilson import wilson

logger = logging.getLogger(__name__)

STOPS = (DeploymentStatus.FLAGGED, DeploymentStatus.HOLDS_ROLLOUT, DeploymentStatus.DEGRADED)
FORCE = "or override with --force-deploy --reason TEXT"


class GateSettings(BaseModel):
    """The block `gate` of `<town>/.models/settings.yaml`."""

    model_config = ConfigDict(extra="forbid")

    threshold: float = Field(default=0.8, ge=0, le=1)
    "Score that a version must reach, with its lower bound where one was measured."

    thresholds: dict[str, Annotated[float, Field(ge=0, le=1)]] = Field(default_factory=dict)
    "The same for single roles."

    category_threshold: float = Field(default=0.6, gt=0, le=1)
    "What the lower bound of each category of a suite must reach, so that none hides behind the others."

    category_thresholds: dict[str, Annotated[float, Field(gt=0, le=1)]] = Field(default_factory=dict)
    "The same for single roles."

    alpha: float = Field(default=ALPHA, gt=0, lt=1)
    "Chance, over all categories, of saying that one fell where none did."

    margin: float = Field(default=MARGIN, ge=0, le=1)
    "Fall in a category's score that is borne."

    def of(self, role: str) -> float:
        """The threshold of a role."""
        return self.thresholds.get(role, self.threshold)

    def of_category(self, role: str) -> float:
        """The threshold of each category for a role."""
        return self.category_thresholds.get(role, self.category_threshold)

    def compare(self, old: Evaluation, new: Evaluation) -> list[Compared]:
        """Category by category; nothing where they are not of one suite."""
        if old.detail is None or new.detail is None or old.detail.suite_digest != new.detail.suite_digest:
            return []
        return self.compare_outcomes(old.detail.tallies(), new.detail.tallies())

    def compare_outcomes(self, old: Outcomes, new: Outcomes) -> list[Compared]:
        """The same of bare outcomes, which are of one suite."""
        return compare(old, new, alpha=self.alpha, margin=self.margin)


def counting(evaluations: Sequence[Evaluation]) -> Evaluation | None:
    """The evaluation that counts: the last one of a suite, or where there is none the last measurement."""
    of_suites = [one for one in evaluations if one.detail is not None]
    found = of_suites or list(evaluations)
    return found[-1] if found else None


def check_gate(
    entry: ModelRegistryEntry,
    evaluations: Sequence[Evaluation],
    settings: GateSettings,
    *,
    holds: Sequence[str],
    active: AtWork | None = None,
) -> None:
    """Nothing where the version may be deployed.

    Args:
        evaluations: of this version, oldest first.
        holds: versions of this model that hold every later one back.
        active: the version that this one would take the place of.

    Raises:
        GateRefused: it was never evaluated, its suite measures nothing, its score or one of a category is
            too low or not known well enough, it fell against the active version or is not shown to be as
            good, or its state forbids it.
    """
    for line in stops(entry, holds):
        raise GateRefused(line)
    last = counting(evaluations)
    if last is None:
        raise GateRefused(f"{entry.spelled} was never evaluated. Run node0 eval run {entry.spelled}, {FORCE}")
    for objection in objections(last, settings, role=entry.role, active=active):
        raise GateRefused(objection)
    if active is not None and (worst := _not_excluded(last, settings, active)):
        logger.info(
            "against %s no category was seen to fall by more than %.1f %%; not excluded by so few trials: %s",
            active.spelled,
            100 * settings.margin,
            ", ".join(worst),
        )


def stops(entry: ModelRegistryEntry, holds: Sequence[str]) -> Iterator[str]:
    """What keeps a version back whatever it scores, each in a line that says what to do."""
    if entry.deployment_status in STOPS:
        yield f"{entry.spelled} is {entry.deployment_status}; deploy another version, {FORCE}"
    if holds:
        yield f"{holds[0]} holds the rollout of {entry.name}; look at it first, {FORCE}"


def objections(
    last: Evaluation, settings: GateSettings, *, role: str, active: AtWork | None = None
) -> Iterator[str]:
    """Everything that keeps a measurement from passing, each in a line that says what to do."""
    if last.detail is not None:
        yield from _null_models_that_pass(last, last.detail, settings.of_category(role))
    yield from _too_low(last, settings.of(role))
    if last.detail is not None:
        yield from _categories_too_low(last.detail, settings.of_category(role))
        if active is not None:
            yield from _worse(last, last.detail, settings, active)


def _null_models_that_pass(last: Evaluation, detail: EvaluationDetail, threshold: float) -> Iterator[str]:
    for name, categories in detail.nulls.items():
        for category, (passes, items) in categories.items():
            _, high = wilson(passes, items)
            if high >= threshold:
                yield (
                    f"suite {last.suite} measures nothing in {category}: null model {name!r} passes {passes} "
                    f"of {items} items there, up to {high:.1%} where {threshold:.1%} is asked. "
                    f"Mend the suite {FORCE}."
                )


def _too_low(last: Evaluation, threshold: float) -> Iterator[str]:
    score = last.score if last.low is None else last.low
    if score >= threshold:
        return
    bound = "score" if last.low is None else "lower bound of the score"
    yield (
        f"Model {bound} {score:.1%} below deployment threshold {threshold:.1%}{_undecided(last, threshold)}. "
        f"Run eval suite again {FORCE}."
    )


def _undecided(last: Evaluation, threshold: float) -> str:
    """What it would take, where the threshold lies between the bounds."""
    if last.low is None or last.high is None or last.high < threshold:
        return ""
    more = _more(Estimate(last.score, last.low, last.high, last.items), threshold)
    return f", but the upper one {last.high:.1%} is not: inconclusive, {more}"


def _categories_too_low(detail: EvaluationDetail, threshold: float) -> Iterator[str]:
    for category, items in sorted(detail.tallies().items()):
        found = estimate(list(items.values()))
        verdict = against(found, threshold)
        if verdict is not Verdict.PASS:
            more = f": inconclusive, {_more(found, threshold)}" if verdict is Verdict.INCONCLUSIVE else ""
            yield (
                f"{category} scores {found.score:.1%}, between {found.low:.1%} and {found.high:.1%}, where "
                f"{threshold:.1%} is asked of each category{more}. Run eval suite again {FORCE}."
            )


def _worse(
    last: Evaluation, detail: EvaluationDetail, settings: GateSettings, active: AtWork
) -> Iterator[str]:
    """Where it fell against the version at work, and what is not settled."""
    before = active.of_suite(detail.suite_digest)
    if before is None:
        yield (
            f"{active.spelled}, which is at work, never did these items of suite {last.suite}: inconclusive, "
            f"nothing shows this version to be as good. Run node0 eval run {active.spelled} on them {FORCE}."
        )
        return
    compared = settings.compare(before, last)
    for one in compared:
        if one.verdict is Verdict.FAIL:
            yield (
                f"{one.category} fell from {one.old:.1%} to {one.new:.1%} against the version at work "
                f"({one.losses} items worse, {one.gains} better; p = {one.chance:.4f}). "
                f"Look at both with node0 eval compare {FORCE}."
            )
    yield from map(_unsettled, unsettled(compared, alpha=settings.alpha, margin=settings.margin))


def _not_excluded(last: Evaluation, settings: GateSettings, active: AtWork) -> list[str]:
    """Categories that may have fallen by more than the margin, with how far, though none was seen to."""
    before = active.of_suite(last.detail.suite_digest) if last.detail is not None else None
    compared = settings.compare(before, last) if before is not None else []
    return [f"{one.category} (-{-one.low:.1%})" for one in compared if one.verdict is not Verdict.PASS]


def _unsettled(one: Unsettled) -> str:
    if one.category is None:
        seen = (
            f"All categories together may be {-one.low:.1%} below the version at work ({one.delta:+.1%} seen)"
        )
        return f"{seen}: inconclusive, {_settled_by(one.more, 'in all')} {FORCE}."
    seen = f"{one.category} is {-one.delta:.1%} below the version at work, which may be chance"
    return f"{seen}: inconclusive, {_settled_by(one.more, 'of it')} {FORCE}."


def _settled_by(more: More | None, which: str) -> str:
    if more is None:
        return "and no number of items would settle it, so near is it to the margin. Look at both"
    if more.trials is None:
        return f"about {more.items} items {which} would settle it. Evaluate both on more"
    return (
        f"about {more.trials} trials an item would settle it. Evaluate both with node0 eval run "
        f"--epochs {more.trials}"
    )


def _more(found: Estimate, threshold: float) -> str:
    needed = items_to_decide(found.score, threshold, items=found.items)
    if needed is None:
        return "and no number of items would decide, so near is it"
    return f"needs about {max(1, needed - found.items)} more items, or more epochs"
