# SPDX-License-Identifier: Apache-2.0
"""Find a model by name: a registered version, a run, an adapter or a base; checked, not loaded."""

import os
from dataclasses import dataclass, replace
from pathlib import Path

from node0.errors import BadCheckpoint, ConfigError, NotFound, UnsupportedArchitecture
from node0.finetune.checkpoint.peft import read_adapter_config
from node0.finetune.other_engines import URL, vllm_line
from node0.finetune.registry.schema import ModelRegistryEntry
from node0.finetune.registry.store import ModelRegistry
from node0.finetune.run_dir import RunDirectory
from node0.model_files import ADAPTER_CONFIG, MODEL_CONFIG
from node0.models.base_model import BaseModelDir
from node0.models.hf.hf_base import AnyBase, resolve_any_base
from node0.town import Town

_RANK = 16
"What vLLM takes without being told."


@dataclass(frozen=True, slots=True)
class ModelSource:
    """Where a model's parts are."""

    name: str
    "`NAME:VER` or the directory."

    base: AnyBase
    adapters: tuple[Path, ...] = ()
    "Directories, in the order in which they are added."

    tokenizer: Path | None = None
    "Directory; None when there is none."

    role: str | None = None
    "Role it was trained for."

    profile: Path | None = None
    "The deployment profile that it was trained with."

    def own_base(self, what: str) -> BaseModelDir:
        """The base, for `what` only our own blocks do.

        Raises:
            ConfigError: transformers computes it.
        """
        if isinstance(self.base, BaseModelDir):
            return self.base
        raise ConfigError(
            f"transformers computes {self.name}, a {self.base.args.family}, whole and in one process; {what}"
        )

    def line_for_vllm(self) -> str:
        """What has vLLM answer in the place of this process, under the model's name."""
        name = Path(self.name).name.partition(":")[0]
        if not self.adapters:
            return vllm_line(self.base.name, name=name)
        if len(self.adapters) > 1:
            return "vLLM, once it is exported as merged"
        (adapter,) = self.adapters
        rank = int(read_adapter_config(adapter).get("r", _RANK))
        return vllm_line(self.base.name, name=name, adapter=adapter.resolve(), rank=rank)


def find_model(name: str, *, town: Path | None = None) -> ModelSource:
    """Find and check a model.

    Args:
        name: `NAME` or `NAME:VER` of the registry; a run, adapter or base directory; or a hub id.
        town: root of the town whose registry is meant; None finds it.

    Raises:
        NotFound: no such model; the message names the nearest registered ones.
        BadCheckpoint, BadSignature: it is not what was registered or what the run wrote.
    """
    if Path(name).is_dir() and (os.sep in name or not _is_registered(name, town)):
        return _from_directory(Path(name))
    if os.sep not in name:
        return _from_registry(_whole(name, town))
    if name.startswith((".", "~", os.sep)):
        raise NotFound(f"no model directory {name}; give one, or a name from: node0 model list")
    return _from_base(name, _computed(name))


def find_adapter(name: str, *, town: Path | None = None) -> Path:
    """The directory of an adapter that is named by directory or registry, checked.

    Raises:
        NotFound: no such adapter.
        BadCheckpoint: it is not the one that was registered or that a run wrote.
    """
    if Path(name).is_dir():
        RunDirectory(Path(name)).verify_if_finished()
        read_adapter_config(Path(name))
        return Path(name)
    entry = _whole(name, town)
    if not entry.lora_adapters:
        raise NotFound(f"model {entry.spelled} is no adapter; load it with --model")
    return Path(entry.artifact_path) / entry.lora_adapters[0]


def _is_registered(name: str, town: Path | None) -> bool:
    try:
        return ModelRegistry(Town.locate(town), create=False).get(name) is not None
    except NotFound:
        return False


def _whole(name: str, town: Path | None) -> ModelRegistryEntry:
    """A registered version that is as it was registered."""
    registry = ModelRegistry(Town.locate(town), create=False)
    entry = registry.require(name)
    registry.require_whole(entry)
    return entry


def _from_registry(entry: ModelRegistryEntry) -> ModelSource:
    directory = Path(entry.artifact_path)
    if entry.lora_adapters:
        revision = entry.training_config.get("base_revision")
        found = _with_adapter(directory / entry.lora_adapters[0], entry.base_model, revision=revision)
    else:
        found = _from_base(entry.spelled, _computed(str(directory)))
    if entry.lora_adapters and entry.base_digest not in ("", found.base.digest):
        raise BadCheckpoint(
            f"{entry.spelled} needs base {entry.base_digest[:12]}, but {entry.base_model} is now "
            f"{found.base.digest[:12]}; restore that base"
        )
    return replace(found, name=entry.spelled, role=entry.role, profile=_profile(directory))


def _from_directory(directory: Path) -> ModelSource:
    run = RunDirectory(directory)
    run.verify_if_finished()
    settings = run.settings()
    if (directory / ADAPTER_CONFIG).is_file():
        base = read_adapter_config(directory).get("base_model_name_or_path") or settings.get("base_model")
        found = _with_adapter(directory, str(base or ""), revision=settings.get("base_revision"))
    elif (directory / MODEL_CONFIG).is_file():
        found = _from_base(str(directory), _computed(str(directory)))
    else:
        raise NotFound(
            f"{directory} holds neither {ADAPTER_CONFIG} nor {MODEL_CONFIG}; give a finished run, an adapter "
            "or a base"
        )
    return replace(found, role=settings.get("role"), profile=_profile(directory))


def _with_adapter(directory: Path, base: str, *, revision: str | None = None) -> ModelSource:
    if not base:
        raise BadCheckpoint(f"{directory}/{ADAPTER_CONFIG} names no base; add base_model_name_or_path")
    found = _from_base(str(directory), _computed(_near(base, directory), revision))
    tokenizer = directory if RunDirectory(directory).has_tokenizer else found.tokenizer
    return replace(found, adapters=(directory,), tokenizer=tokenizer)


def _computed(base: str, revision: str | None = None) -> AnyBase:
    """The base, which our own blocks or transformers compute.

    Raises:
        UnsupportedArchitecture: neither does; the message says how another program is asked.
    """
    try:
        return resolve_any_base(base, revision)
    except UnsupportedArchitecture as error:
        name = Path(base).name
        raise UnsupportedArchitecture(
            f"{error}; if vLLM knows it: {vllm_line(base, name=name)}, and ask for {name} with --url {URL}"
        ) from error


def _near(base: str, directory: Path) -> str:
    """A base named by a relative path is looked for from here, then from the adapter."""
    beside = directory / base
    return str(beside) if not Path(base).is_dir() and beside.is_dir() else base


def _from_base(name: str, base: AnyBase) -> ModelSource:
    return ModelSource(name, base, tokenizer=base.tokenizer_path)


def _profile(directory: Path) -> Path | None:
    path = RunDirectory(directory).profile_file
    return path if path.is_file() else None
