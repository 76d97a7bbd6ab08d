# SPDX-License-Identifier: Apache-2.0
"""The schema of a registered model's version."""

import hashlib
from typing import Any, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from node0.errors import ConfigError
from node0.finetune.manifest import Artefact
from node0.finetune.registry.states import Alias, DeploymentStatus
from node0.finetune.role import ROLE_PATTERN

NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}"


class ModelRegistryEntry(BaseModel):
    """A row of the registry. Evaluation and deployment may change later; the rest never does."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())

    name: str = Field(pattern=f"^{NAME}$")
    role: str = Field(pattern=ROLE_PATTERN)
    base_model: str = Field("", max_length=1024)
    "Directory or hub id of the base; empty for a model that is its own base."

    version: int = Field(0, ge=0)
    "1, 2, ... under one name; 0 until it is registered."

    corpus_hash: str = ""
    "Of the corpus at training time."

    eval_score: float | None = None
    eval_scores_by_category: dict[str, float] = Field(default_factory=dict)
    lora_adapters: list[str] = Field(default_factory=list)
    "Directories of its adapters, below `artifact_path`; empty for whole weights."

    deployment_status: DeploymentStatus = DeploymentStatus.REGISTERED
    deployed_to: list[str] = Field(default_factory=list)
    "Rigs."

    created_at: str = ""
    "ISO 8601, UTC; set at registration."

    training_config: dict[str, Any] = Field(default_factory=dict)
    artifact_path: str = Field(max_length=1024)
    "Directory of its files."

    artefacts: list[Artefact] = Field(default_factory=list)
    base_digest: str = ""
    "sha256 over the base's weights."

    entries_sha256: str = ""
    "sha256 of the list of entries it was trained on."

    parent: str = Field("", max_length=140)
    "`NAME:VER` that its training began from; empty for a fresh adapter."

    code_version: str = Field("", max_length=64)
    "Of this program, when it was trained."

    scrub_version: str = Field("", max_length=64)
    "Of the scrub rules that its entries went through."

    signer: str = Field("", max_length=64)
    "Public key, in hex, of whoever registered it."

    signature: str = Field("", max_length=128)
    "Ed25519, in hex, over what never changes of this row."

    @property
    def spelled(self) -> str:
        """`NAME:VER`."""
        return f"{self.name}:{self.version}"

    @property
    def content_digest(self) -> str:
        """sha256, in hex, over the paths and digests of its files."""
        lines = (f"{file.sha256}  {file.path}\n" for file in sorted(self.artefacts, key=lambda a: a.path))
        return hashlib.sha256("".join(lines).encode()).hexdigest()


class ModelName(NamedTuple):
    """What a person types: `NAME` is the newest version; `NAME:VER`, or `NAME@ALIAS`."""

    name: str
    version: int | None
    alias: Alias | None = None

    @classmethod
    def parse(cls, text: str) -> "ModelName":
        """Read it.

        Raises:
            ConfigError: the version is not a positive whole number, or there is no such alias.
        """
        name, mark, alias = text.partition("@")
        if mark:
            if alias not in list(Alias):
                known = ", ".join(f"@{one}" for one in Alias)
                raise ConfigError(f"no alias {alias!r} in {text!r}; there are: {known}")
            return cls(name, None, Alias(alias))
        name, mark, version = text.partition(":")
        if not mark:
            return cls(name, None)
        if not (version.isascii() and version.isdecimal() and int(version) > 0):
            raise ConfigError(
                f"model version {version!r} in {text!r} is not 1, 2, ...; see: node0 model list"
            )
        return cls(name, int(version))


def agent_name(entry: ModelRegistryEntry) -> str:
    """The name that a deployed version has as an agent of a town: `ft-NAME-vVER`."""
    return f"ft-{entry.name}-v{entry.version}"
