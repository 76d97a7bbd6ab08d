# SPDX-License-Identifier: Apache-2.0
"""Keep an evaluation with its version, and look at once whether the version fell behind the one before."""

import math
from collections.abc import Iterable, Mapping
from fractions import Fraction

from node0.finetune.deploy.gate import GateSettings
from node0.finetune.eval.report.eval_report import Report, outcomes_of_report
from node0.finetune.eval.reversion import CorpusReversionDetector
from node0.finetune.registry.evaluations import REPLAY, Evaluation, EvaluationDetail
from node0.finetune.registry.store import ModelRegistry
from node0.finetune.statistics.regression import Compared, Outcomes
from node0.finetune.statistics.tallies import Tally


def update_registry_with_scores(
    model_name: str,
    scores: Mapping[str, float],
    composite: float,
    *,
    registry: ModelRegistry | None = None,
) -> None:
    """Keep bare scores with a version; the gate takes them as they are, without bounds.

    Raises:
        NotFound: there is no such version.
    """
    (registry or ModelRegistry()).update_eval_score(model_name, composite, scores)


def keep_evaluation(
    registry: ModelRegistry,
    name: str,
    report: Report,
    nulls: Mapping[str, Outcomes],
    *,
    gate: GateSettings | None = None,
) -> list[Compared]:
    """Keep a report's figures and outcomes with a version; how it compares with the version before it.

    A version that fell, as the gate sees it, is flagged and held.

    Raises:
        NotFound: there is no such version.
    """
    registry.add_evaluation(name, evaluation_of(report, nulls))
    return CorpusReversionDetector(registry, gate=gate).examine(name)


def evaluation_of(report: Report, nulls: Mapping[str, Outcomes]) -> Evaluation:
    """What the registry keeps of a report."""
    whole = report["composite"]
    detail = EvaluationDetail(
        suite_digest=report["plan"]["suite_digest"],
        outcomes=outcomes_of_report(report),
        nulls={
            name: {category: (_passed(items.values()), len(items)) for category, items in outcomes.items()}
            for name, outcomes in nulls.items()
        },
    )
    scores = {name: score["score"] for name, score in report["categories"].items()}
    if report["replay"]:
        scores[REPLAY] = report["replay"][0]["score"]
    return Evaluation(
        suite=report["plan"]["suite"],
        items=whole["items"],
        score=whole["score"],
        low=whole["low"],
        high=whole["high"],
        by_category=scores,
        detail=detail,
    )


def _passed(tallies: Iterable[Tally]) -> int:
    """As how many items these count that passed; a part of one as a whole one."""
    shares = sum(Fraction(tally.passes, tally.trials) for tally in tallies)
    return math.ceil(shares)
