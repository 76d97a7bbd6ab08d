# SPDX-License-Identifier: Apache-2.0
"""A town's scrub settings: the block `scrub` of `<town>/.models/settings.yaml`.

scrub:
  deny: [Harbor Yard, acme.io]
  rules:
    - {kind: harbor-token, pattern: 'hy_[a-z0-9]{32}', keywords: [hy_]}
  gitleaks: gitleaks.toml
  stand_ins: surrogates
  voters: [detect-secrets, credsweeper]
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from node0.finetune.corpus.scrub.voters import DEFAULT_VOTERS
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

    stand_ins: Literal["surrogates", "placeholders"] = "surrogates"
    "What stands for a secret: a made-up value of the same shape where it can, or always `[REDACTED:...]`."

    voters: list[str] = Field(default_factory=lambda: list(DEFAULT_VOTERS))
    "Second opinions on doubtful values: detect-secrets, and credsweeper from the extra `scan`."


def read_scrub_settings(town: Town) -> ScrubSettings:
    """The town's block `scrub`, or the defaults where it has none.

    Raises:
        ConfigError: the file is not YAML, or a setting is unknown or of a wrong type.
    """
    return read_block(ScrubSettings, town.model_settings_file, block="scrub")
