# SPDX-License-Identifier: Apache-2.0
"""Make the scrubber of a town from its operator's settings."""

from collections.abc import Sequence

from node0.finetune.corpus.quality.review_queue import CurrentDecisions
from node0.finetune.corpus.scrubber import CorpusScrubber
from node0.finetune.corpus.town_scrubber import town_scrubber
from node0.town import Town


def make_scrubber(deny: Sequence[str], *, town: Town | None = None) -> CorpusScrubber:
    """The scrubber with the operator's words, the town's settings, and what was decided in review."""
    return town_scrubber(town, deny, verdict=CurrentDecisions(town.corpus).verdict if town else None)
