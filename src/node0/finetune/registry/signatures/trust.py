# SPDX-License-Identifier: Apache-2.0
"""Whose signatures a town believes: its own, and those of keys that its operator chose."""

from pydantic import BaseModel, ConfigDict

from node0.errors import ConfigError
from node0.files import write_atomically
from node0.finetune.registry.signatures.signing import Signer
from node0.settings import read_block
from node0.town import Town

KEY, PUBLIC = "signing.key", "signing.pub"
"Below a town's models."


class TrustSettings(BaseModel):
    """The block `trust` of `<town>/.models/settings.yaml`."""

    model_config = ConfigDict(extra="forbid")

    keys: list[str] = []
    "Public keys, in hex, of other towns whose models are taken."


def town_signer(town: Town) -> Signer:
    """The town's own key, made at first use, with its public half beside it for whoever may only read.

    Raises:
        ConfigError: the key cannot be read or made, or the file beside it is of another one.
    """
    signer, public = Signer.of_file(town.models / KEY), town.models / PUBLIC
    if not public.exists():
        write_atomically(public, signer.public + "\n")
    if _own_keys(town) != [signer.public]:
        raise ConfigError(f"{public} is not the public half of {KEY}; restore it, or delete it")
    return signer


def trusted_keys(town: Town) -> frozenset[str]:
    """The public keys that count here.

    Raises:
        ConfigError: the settings or the key cannot be read.
    """
    keys = read_block(TrustSettings, town.model_settings_file, block="trust").keys
    return frozenset([*keys, *_own_keys(town)])


def _own_keys(town: Town) -> list[str]:
    public = town.models / PUBLIC
    try:
        return [public.read_text(encoding="ascii").strip()] if public.exists() else []
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read {public}: {error}; restore it, or delete it") from None
