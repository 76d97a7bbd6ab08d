# SPDX-License-Identifier: Apache-2.0
"""Who may use how much of the models: tiers, and the larger quota of those who gave corpus entries.

A grant lies in a JSON file of ours: gt would drop keys that it does not know from its own.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from node0.errors import ConfigError
from node0.files import write_atomically

TIERS = ("none", "standard", "extended")
BLOCK = "model_access"


class ModelAccess(BaseModel):
    """What a rig was granted."""

    model_config = ConfigDict(extra="forbid")

    tier: Literal["none", "standard", "extended"] = "standard"
    corpus_contributor: bool = False
    "A person has reviewed and taken what it gave."

    extended_quota: bool = False


class AccessGrantManager:
    """Reads and writes grants. A rig without one has the standard tier."""

    def check_access(self, rig_settings: Mapping[str, Any], requested_tier: str) -> bool:
        """Whether a rig has a tier; an extended quota is the extended tier.

        Raises:
            ConfigError: there is no such tier, or the settings hold no valid grant.
        """
        if requested_tier not in TIERS:
            raise ConfigError(f"no access tier {requested_tier!r}; one of: {', '.join(TIERS)}")
        return TIERS.index(_tier(_access(rig_settings))) >= TIERS.index(requested_tier)

    def is_extended_quota(self, rig_settings: Mapping[str, Any]) -> bool:
        """Whether a rig has the larger quota.

        Raises:
            ConfigError: the settings hold no valid grant.
        """
        return _access(rig_settings).extended_quota

    def tier_of(self, config_path: Path) -> str:
        """The tier of the rig whose grant a JSON file holds; standard where there is no file or no grant.

        Raises:
            ConfigError: the file is no JSON object, or holds no valid grant.
        """
        return _tier(_access(_read(config_path)))

    def grant_extended_access(self, config_path: Path) -> None:
        """Note in a JSON file that its rig's contribution was taken; every other key stays.

        Raises:
            ConfigError: the file is no JSON object, or cannot be written.
        """
        settings = _read(config_path)
        access = _access(settings).model_copy(update={"corpus_contributor": True, "extended_quota": True})
        try:
            text = json.dumps({**settings, BLOCK: access.model_dump()}, indent=2, ensure_ascii=False)
            write_atomically(config_path, text + "\n")
        except OSError as error:
            raise ConfigError(f"cannot write {config_path}: {error.strerror}") from None


def _tier(access: ModelAccess) -> str:
    return "extended" if access.extended_quota else access.tier


def _access(settings: Mapping[str, Any]) -> ModelAccess:
    try:
        return ModelAccess.model_validate(settings.get(BLOCK, {}))
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in (BLOCK, *first["loc"]))
        raise ConfigError(f"{field}: {first['msg']}; correct it") from None


def _read(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigError(f"{path} is not JSON ({error}); repair it") from None
    if not isinstance(found, dict):
        raise ConfigError(f"{path} holds no JSON object; repair it")
    return found
