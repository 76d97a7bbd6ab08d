# SPDX-License-Identifier: Apache-2.0
"""What a town adds to scrubbing: the block `scrub` of `<town>/.models/settings.yaml`.

scrub:
  deny: [Harbor Yard, acme.io]
  rules:
    - {kind: harbor-token, pattern: 'hy_[a-z0-9]{32}', keywords: [hy_]}
  gitleaks: gitleaks.toml
  voters: [detect-secrets, credsweeper]
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from node0.finetune.corpus.scrub.finding import Tier
from node0.finetune.corpus.scrub.rules.operator import OperatorRule, gitleaks_rules, operator_rule
from node0.finetune.corpus.scrub.voters import DEFAULT_VOTERS, make_voters
from node0.finetune.corpus.scrubber import CorpusScrubber, Pattern, Verdict
from node0.settings import read_block
from node0.town import Town


class RuleSettings(BaseModel):
    """One pattern of the town's own."""

    model_config = ConfigDict(extra="forbid")

    kind: str = Field(pattern=r"^[a-z][a-z0-9-]{0,40}$")
    "What stands in the placeholder."

    pattern: str
    "A Python regular expression; its group `secret`, where it has one, is what goes."

    tier: Literal["redact", "quarantine"] = "redact"
    "Whether it goes, or waits for a person."

    keywords: list[str] = Field(default_factory=list)
    "The pattern is tried only in texts that hold one of these, in either case."


class ScrubSettings(BaseModel):
    """The block `scrub` of a town's model settings."""

    model_config = ConfigDict(extra="forbid")

    deny: list[str] = Field(default_factory=list)
    "Names, hosts and domains that always go."

    rules: list[RuleSettings] = Field(default_factory=list)
    "Patterns beside the table."

    gitleaks: str | None = None
    "A gitleaks rules file to load too; relative to the settings file."

    voters: list[str] = Field(default_factory=lambda: list(DEFAULT_VOTERS))
    "Second opinions on doubtful values: detect-secrets, and credsweeper from the extra `scan`."


def load_scrub_settings(town: Town) -> ScrubSettings:
    """The town's block `scrub`, or the defaults where it has none.

    Raises:
        ConfigError: the file is not YAML, or a setting is unknown or of a wrong type.
    """
    return read_block(ScrubSettings, town.model_settings_file, block="scrub")


def town_scrubber(
    town: Town | None,
    deny: Sequence[str] = (),
    *,
    verdict: Verdict | None = None,
    more: Sequence[Pattern] = (),
) -> CorpusScrubber:
    """The scrubber that a town has set up, with more patterns; None takes the shipped default.

    Raises:
        ConfigError, NotFound: the settings cannot be used.
        ScrubberUnavailable: a part that they name cannot run.
    """
    settings = load_scrub_settings(town) if town else ScrubSettings()
    rules: list[OperatorRule] = [
        operator_rule(rule.kind, rule.pattern, tier=Tier(rule.tier), keywords=rule.keywords)
        for rule in settings.rules
    ]
    if settings.gitleaks and town:
        rules += gitleaks_rules(town.model_settings_file.parent / Path(settings.gitleaks).expanduser())
    voters = make_voters(settings.voters)
    return CorpusScrubber([*settings.deny, *deny], rules=[*rules, *more], voters=voters, verdict=verdict)
