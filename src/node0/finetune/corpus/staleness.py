# SPDX-License-Identifier: Apache-2.0
"""Staleness: how far a town's conventions have moved since a version was registered."""

import logging
from collections.abc import Mapping
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from node0.finetune.corpus.town.conventions import Convention, drift, fingerprints
from node0.finetune.registry.publish import CONVENTIONS
from node0.finetune.registry.schema import ModelRegistryEntry
from node0.finetune.registry.store import ModelRegistry
from node0.settings import read_block
from node0.town import Town

logger = logging.getLogger(__name__)

WEIGHTS: Mapping[Convention, float] = {
    Convention.CLAUDE_MD: 0.5,
    Convention.FORMULAS: 0.3,
    Convention.CONFIG: 0.2,
}


class StalenessSettings(BaseModel):
    """The block `staleness` of `<town>/.models/settings.yaml`."""

    model_config = ConfigDict(extra="forbid")

    limit: float = Field(0.2, ge=0, le=1)
    "Above it a version is to be trained again, and is not deployed."


class Staleness(NamedTuple):
    """The drift of each kind of convention, from 0 (unchanged) to 1 (nothing in common)."""

    claude_md: float
    formulas: float
    config: float

    @property
    def composite(self) -> float:
        """Their weighted mean."""
        return sum(weight * value for weight, value in zip(WEIGHTS.values(), self, strict=True))

    def __str__(self) -> str:
        parts = f"CLAUDE.md={self.claude_md:.2f}, formulas={self.formulas:.2f}, config={self.config:.2f}"
        return f"{self.composite:.2f} ({parts})"


class ConventionStalenessTracker:
    """Compares what a version was registered under with the town as it is now."""

    def __init__(self, registry: ModelRegistry, town: Town) -> None:
        self._registry, self._town = registry, town

    @property
    def limit(self) -> float:
        """The town's own limit.

        Raises:
            ConfigError: the town's settings of ours cannot be read.
        """
        settings = read_block(StalenessSettings, self._town.model_settings_file, block="staleness")
        return settings.limit

    def of(self, entry: ModelRegistryEntry) -> Staleness | None:
        """The staleness of a version; None where its conventions were not recorded."""
        known = entry.training_config.get(CONVENTIONS)
        if not isinstance(known, Mapping) or not known.keys() >= set(Convention):
            return None
        now = fingerprints(self._town, entry.role)
        return Staleness(**{kind.value: drift(known[kind.value], now[kind.value]) for kind in Convention})

    def check_drift(self, model_name: str) -> float:
        """The drift of CLAUDE.md, AGENTS.md and directives; 0 where nothing was recorded.

        Raises:
            NotFound: there is no such version; so do all methods that take a name.
        """
        return self._named(model_name).claude_md

    def check_formula_drift(self, model_name: str) -> float:
        """The drift of the formulas."""
        return self._named(model_name).formulas

    def check_config_drift(self, model_name: str) -> float:
        """The drift of the town's settings."""
        return self._named(model_name).config

    def composite_staleness(self, model_name: str) -> float:
        """The weighted mean of the three."""
        return self._named(model_name).composite

    def should_retrain(self, model_name: str, threshold: float = 0.2) -> bool:
        """Whether a version is staler than `threshold`; logs a warning when it is."""
        found = self._named(model_name)
        if found.composite > threshold:
            logger.warning("Model %s may be stale: composite_staleness=%s", model_name, found)
        return found.composite > threshold

    def _named(self, model_name: str) -> Staleness:
        return self.of(self._registry.require(model_name)) or Staleness(0.0, 0.0, 0.0)
