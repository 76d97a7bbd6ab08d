# SPDX-License-Identifier: Apache-2.0
"""The gate: whether a version may be put to work for its role."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from node0.errors import ConfigError, GateRefused, NotFound
from node0.finetune.deploy.at_work import AtWork
from node0.finetune.deploy.counted import counted, not_done
from node0.finetune.deploy.unsettled_words import in_words
from node0.finetune.registry.evaluations import HELD_OUT, REPLAY, SHIPPED, Evaluation, EvaluationDetail
from node0.finetune.registry.schema import ModelRegistryEntry
from node0.finetune.registry.states import DeploymentStatus
from node0.finetune.registry.store import ModelRegistry
from node0.finetune.role import require_known_role
from node0.finetune.statistics.power import ALPHA, items_to_decide
from node0.finetune.statistics.regression import MARGIN, Compared, Outcomes, compare
from node0.finetune.statistics.settling import unsettled
from node0.finetune.statistics.tallies import Estimate, estimate
from node0.finetune.statistics.verdict import Verdict, against
from node0.finetune.statistics.wilson import wilson
from node0.settings import read_block
from node0.town import Town

logger = logging.getLogger(__name__)

STOPS = (DeploymentStatus.FLAGGED, DeploymentStatus.HOLDS_ROLLOUT, DeploymentStatus.DEGRADED)
FORCE = "or override with --force-deploy --reason TEXT"


def _can_be_done(suites: dict[str, float]) -> dict[str, float]:
    if HELD_OUT in suites:
        raise ValueError(f"{HELD_OUT} is what node0 measure keeps and no suite; ask for {REPLAY}")
    return suites


SuiteThresholds = Annotated[
    dict[str, Annotated[float, Field(gt=0, le=1)]], Field(min_length=1), AfterValidator(_can_be_done)
]


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

    suites: dict[str, SuiteThresholds] = Field(default_factory=dict)
    "For single roles: the suites that a version must have done, and what the lower bound of each must reach."

    alpha: float = Field(default=ALPHA, gt=0, lt=1)
    "Chance, over all categories, of saying that one fell where none did."

    margin: float = Field(default=MARGIN, ge=0, le=1)
    "Fall in a category's score that is borne."

    @property
    def roles(self) -> set[str]:
        """Every role that has a setting of its own."""
        return {*self.thresholds, *self.category_thresholds, *self.suites}

    def of(self, role: str) -> float:
        """The threshold of a role."""
        return self.thresholds.get(role, self.threshold)

    def bars(self, role: str, suite: str, *, categories: int) -> tuple[float, float]:
        """What the composite of a suite, and each of so many categories in it, must reach.

        A suite that is asked for and has one category is that category.
        """
        threshold = self.asked_of(role).get(suite)
        if threshold is None:
            return self.of(role), self.of_category(role)
        return threshold, threshold if categories == 1 else self.of_category(role)

    def asked_of(self, role: str) -> Mapping[str, float]:
        """The suites that a version for a role must have done; where there are none, any one will do."""
        return self.suites.get(role, {})

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


def gate_of(town: Town, registry: ModelRegistry) -> GateSettings:
    """The settings of a town's gate.

    Raises:
        ConfigError: they cannot be read, or name a role that neither Gas Town, the town nor a version has, so
            that what they ask of it would be asked of nobody.
    """
    settings = read_block(GateSettings, town.model_settings_file, block="gate")
    known = [*town.own_roles(), *(entry.role for entry in registry.list())] if settings.roles else []
    for role in sorted(settings.roles):
        try:
            require_known_role(role, known)
        except NotFound as error:
            raise ConfigError(f"gate in {town.model_settings_file}: {error}") from None
    return settings


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
    for line in missing(entry, evaluations, settings):
        raise GateRefused(line)
    for last in counted(evaluations, settings.asked_of(entry.role)):
        for objection in objections(last, settings, role=entry.role, active=active):
            raise GateRefused(objection)
        if active is not None and (worst := _not_excluded(last, settings, active)):
            logger.info(
                "against %s no category was seen to fall by more than %.1f %%; "
                "not excluded by so few trials: %s",
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


def missing(
    entry: ModelRegistryEntry, evaluations: Sequence[Evaluation], settings: GateSettings
) -> Iterator[str]:
    """Each suite that the version has still to do, in a line that says how."""
    asked = settings.asked_of(entry.role)
    if not asked and not evaluations:
        yield f"{entry.spelled} was never evaluated. Run node0 eval run {entry.spelled}, {FORCE}"
    for suite in not_done(evaluations, asked):
        how = {REPLAY: " --replay RUN --replay-only", SHIPPED: ""}.get(suite, " --suite PATH")
        yield (
            f"{entry.spelled} has not done suite {suite}, which the gate asks of {entry.role}. "
            f"Run node0 eval run {entry.spelled}{how}, {FORCE}"
        )


def objections(
    last: Evaluation, settings: GateSettings, *, role: str, active: AtWork | None = None
) -> Iterator[str]:
    """Everything that keeps a measurement from passing, each in a line that says what to do."""
    categories = len(last.detail.outcomes) if last.detail is not None else 0
    threshold, of_category = settings.bars(role, last.suite, categories=categories)
    if last.detail is not None:
        yield from _null_models_that_pass(last, last.detail, of_category)
    yield from _too_low(last, threshold)
    if last.detail is None:
        return
    # The bounds of a single category are those of the whole.
    if categories > 1 or of_category > threshold:
        yield from _categories_too_low(last, last.detail, of_category)
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
    found = Estimate(last.score, last.low, last.high, last.items)
    more = _more(found, threshold, has_epochs=last.suite != REPLAY)
    return f", but the upper one {last.high:.1%} is not: inconclusive, {more}"


def _categories_too_low(last: Evaluation, detail: EvaluationDetail, threshold: float) -> Iterator[str]:
    for category, items in sorted(detail.tallies().items()):
        found = estimate(list(items.values()))
        verdict = against(found, threshold)
        if verdict is not Verdict.PASS:
            more = ""
            if verdict is Verdict.INCONCLUSIVE:
                more = f": inconclusive, {_more(found, threshold, has_epochs=last.suite != REPLAY)}"
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
    for open_still in unsettled(compared, alpha=settings.alpha, margin=settings.margin):
        yield f"{in_words(open_still, has_epochs=last.suite != REPLAY)} {FORCE}."


def _not_excluded(last: Evaluation, settings: GateSettings, active: AtWork) -> list[str]:
    """Categories that may have fallen by more than the margin, with how far, though none was seen to."""
    before = active.of_suite(last.detail.suite_digest) if last.detail is not None else None
    compared = settings.compare(before, last) if before is not None else []
    return [f"{one.category} (-{-one.low:.1%})" for one in compared if one.verdict is not Verdict.PASS]


def _more(found: Estimate, threshold: float, *, has_epochs: bool) -> str:
    needed = items_to_decide(found.score, threshold, items=found.items)
    if needed is None:
        return "and no number of items would decide, so near is it"
    return f"needs about {max(1, needed - found.items)} more items{', or more epochs' if has_epochs else ''}"
