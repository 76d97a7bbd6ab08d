# SPDX-License-Identifier: Apache-2.0
"""Whose signatures a town believes: its own, and those of keys that its operator chose."""

from pydantic import BaseModel, ConfigDict

from node0.finetune.registry.signing import Signer
from node0.settings import read_block
from node0.town import Town


class TrustSettings(BaseModel):
    """The block `trust` of `<town>/.models/settings.yaml`."""

    model_config = ConfigDict(extra="forbid")

    keys: list[str] = []
    "Public keys, in hex, of other towns whose models are taken."


def town_signer(town: Town) -> Signer:
    """The town's own key, made at first use.

    Raises:
        ConfigError: the key cannot be read or made.
    """
    return Signer.of_file(town.models / "signing.key")


def trusted_keys(town: Town) -> frozenset[str]:
    """The public keys that count here.

    Raises:
        ConfigError: the settings or the key cannot be read.
    """
    own = town.models / "signing.key"
    keys = read_block(TrustSettings, town.model_settings_file, block="trust").keys
    return frozenset([*keys, Signer.of_file(own).public] if own.exists() else keys)
