# SPDX-License-Identifier: Apache-2.0
"""The scrubber of a town, from its settings."""

from collections.abc import Sequence
from pathlib import Path

from node0.finetune.corpus.known.known_secrets import known_secrets
from node0.finetune.corpus.scrub.finding import Tier
from node0.finetune.corpus.scrub.rules.gitleaks import gitleaks_rules
from node0.finetune.corpus.scrub.rules.operator_rule import OperatorRule, operator_rule
from node0.finetune.corpus.scrub.scrub_settings import ScrubSettings, read_scrub_settings
from node0.finetune.corpus.scrub.surrogates import Surrogates
from node0.finetune.corpus.scrub.text_scrubber import Detector, Verdict
from node0.finetune.corpus.scrub.voters import make_voters
from node0.finetune.corpus.scrubber import CorpusScrubber
from node0.finetune.corpus.town_secret import read_town_secret
from node0.town import Town


def town_scrubber(
    town: Town | None,
    deny: Sequence[str] = (),
    *,
    verdict: Verdict | None = None,
    more: Sequence[Detector] = (),
    stand_ins: bool = True,
) -> CorpusScrubber:
    """The scrubber that a town has set up; it knows this machine's secrets. None takes the shipped default.

    Args:
        town: Whose settings and whose key; without a town there is no key, and no surrogate.
        deny: Words that always go.
        verdict: Knows what a person decided.
        more: Detectors beside the town's own.
        stand_ins: False where ids must stay what they are, as in documents that are looked up.

    Raises:
        ConfigError, NotFound: the settings cannot be used.
        ScrubberUnavailable: a part that they name cannot run.
    """
    settings = read_scrub_settings(town) if town else ScrubSettings()
    rules: list[OperatorRule] = [
        operator_rule(rule.kind, rule.pattern, tier=Tier(rule.tier), keywords=rule.keywords)
        for rule in settings.rules
    ]
    if settings.gitleaks and town:
        rules += gitleaks_rules(town.model_settings_file.parent / Path(settings.gitleaks).expanduser())
    voters = make_voters(settings.voters)
    surrogates = _surrogates(town) if town and stand_ins and settings.stand_ins == "surrogates" else None
    return CorpusScrubber(
        [*settings.deny, *deny],
        rules=[*rules, *more],
        voters=voters,
        verdict=verdict,
        surrogates=surrogates,
        known=known_secrets(town),
    )


def _surrogates(town: Town) -> Surrogates | None:
    """Under the town's key; None where none can be made, for there nothing can be stored either."""
    try:
        key = read_town_secret(town.models / "scrub.key", to="have new surrogates from now on")
    except OSError:
        return None
    return Surrogates(key.encode()[:64])
