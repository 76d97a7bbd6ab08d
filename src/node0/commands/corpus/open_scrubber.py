# SPDX-License-Identifier: Apache-2.0
"""Make the scrubber of a town from its operator's settings."""

from collections.abc import Sequence

from node0.finetune.corpus.quality.review_queue import CurrentDecisions
from node0.finetune.corpus.scrubber import CorpusScrubber
from node0.finetune.corpus.town_scrubber import town_scrubber
from node0.town import Town


def make_scrubber(deny: Sequence[str], *, town: Town | None = None, stand_ins: bool = True) -> CorpusScrubber:
    """The scrubber with the operator's words, the town's settings, and what was decided in review.

    Args:
        deny: Words that always go.
        town: None takes the shipped settings.
        stand_ins: False where ids must stay what they are.
    """
    verdict = CurrentDecisions(town.corpus).verdict if town else None
    return town_scrubber(town, deny, verdict=verdict, stand_ins=stand_ins)
