# SPDX-License-Identifier: Apache-2.0
"""`CorpusReversionDetector`: a version that does worse than the one before it is flagged and held."""

from collections.abc import Mapping, Sequence

from node0.finetune.deploy.gate import GateSettings
from node0.finetune.registry.evaluations import Evaluation
from node0.finetune.registry.schema import ModelRegistryEntry
from node0.finetune.registry.states import DeploymentStatus
from node0.finetune.registry.store import ModelRegistry
from node0.finetune.statistics.regression import MARGIN, Compared
from node0.finetune.statistics.verdict import Verdict


class CorpusReversionDetector:
    """Compares versions; `examine` does all of it after an evaluation."""

    def __init__(self, registry: ModelRegistry | None = None, *, gate: GateSettings | None = None) -> None:
        self._registry, self._gate = registry, gate or GateSettings()

    def examine(self, name: str) -> list[Compared]:
        """Compare a version with the one before it, on items of one suite, as the gate does.

        It is flagged and held where it fell.

        Nothing is compared, and an empty list comes back, where it is the first one that did this suite.

        Raises:
            NotFound: there is no such version.
        """
        registry = self._registry or ModelRegistry()
        entry = registry.require(name)
        pair = _last_of_one_suite(registry, entry)
        if pair is None:
            return []
        before, now = pair
        found = self._gate.compare(before, now)
        fallen = {one.category: one.delta for one in found if one.verdict is Verdict.FAIL}
        if fallen:
            self.flag_in_registry(entry.spelled, fallen, registry)
            self.hold_rollout(entry.spelled)
        return found

    def check_regression(
        self, new_model: str, previous_model: str, registry: ModelRegistry
    ) -> dict[str, float]:
        """New less previous score by category; below 0 is a fall.

        Raises:
            NotFound: there is no such version.
        """
        new, old = registry.require(new_model), registry.require(previous_model)
        shared = new.eval_scores_by_category.keys() & old.eval_scores_by_category.keys()
        return {
            name: new.eval_scores_by_category[name] - old.eval_scores_by_category[name]
            for name in sorted(shared)
        }

    def has_significant_regression(self, deltas: Mapping[str, float], threshold: float = -MARGIN) -> bool:
        """Whether any category fell by more than the threshold; chance is not asked (`examine` does)."""
        return any(delta < threshold for delta in deltas.values())

    def flag_in_registry(
        self, model_name: str, regression_summary: Mapping[str, float], registry: ModelRegistry
    ) -> None:
        """Flag a version, with what fell in its history."""
        told = ", ".join(f"{name} {delta:+.1%}" for name, delta in sorted(regression_summary.items()))
        rigs = registry.require(model_name).deployed_to
        registry.update_deployment_status(
            model_name, DeploymentStatus.FLAGGED, rigs, reason=f"worse than the version before it: {told}"
        )

    def hold_rollout(self, model_name: str) -> None:
        """Let neither this version nor a later one of its model be deployed until somebody has looked."""
        registry = self._registry or ModelRegistry()
        rigs = registry.require(model_name).deployed_to
        registry.update_deployment_status(
            model_name, DeploymentStatus.HOLDS_ROLLOUT, rigs, reason="held after a regression"
        )


def _last_of_one_suite(
    registry: ModelRegistry, entry: ModelRegistryEntry
) -> tuple[Evaluation, Evaluation] | None:
    """The last evaluation of the version before, and this version's last one, of the same suite."""
    now = _last_detailed(registry.evaluations(entry))
    if now is None or now.detail is None:
        return None
    earlier = [
        other
        for other in registry.list(entry.role)
        if other.name == entry.name and other.version < entry.version
    ]
    for other in sorted(earlier, key=lambda one: one.version, reverse=True):
        before = _last_detailed(registry.evaluations(other), digest=now.detail.suite_digest)
        if before is not None:
            return before, now
    return None


def _last_detailed(found: Sequence[Evaluation], *, digest: str | None = None) -> Evaluation | None:
    fitting = [one for one in found if one.detail is not None and digest in (None, one.detail.suite_digest)]
    return fitting[-1] if fitting else None
