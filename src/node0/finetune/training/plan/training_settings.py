# SPDX-License-Identifier: Apache-2.0
"""Resolve a run's settings from flags, run.json and a YAML file, and the paths they name."""

from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from node0.errors import ConfigError, NotFound
from node0.finetune.config import FineTuneConfig
from node0.finetune.corpus.store import CorpusStore
from node0.finetune.role import EVERY_ROLE, require_known_role
from node0.finetune.training.plan.setting_aliases import in_our_names
from node0.finetune.training.plan.training_file import read_training_file
from node0.settings import DEFAULT, Resolved, read_tree, resolve
from node0.town import HOME_TOWN, Town

RUN_JSON_FLAGS = ("local_mode", "local_stage")
"Keys of run.json that are no settings of the training."

_PATHS = ("corpus_path", "checkpoint_dir", "dataset", "init_adapter", "profile")
_NAMES = ("base_model", "tokenizer")
"Directories or hub ids."


def resolve_training(
    flags: Mapping[str, Any],
    *,
    config: str | None = None,
    run_config: str | None = None,
    town: Path | None = None,
    defaults: Mapping[str, Any] | None = None,
) -> tuple[Resolved[FineTuneConfig], dict[str, Any]]:
    """The settings, and what run.json says about local mode.

    defaults: what is taken where no layer says otherwise, before the settings' own.

    Raises:
        ConfigError: a file cannot be read, or a setting is missing, unknown or of a wrong type.
        NotFound: the town that is named is none, or nobody has the role.
    """
    path = _config_path(config) if config is not None else None
    run_json = in_our_names(read_tree(Path(run_config).expanduser()), source=run_config) if run_config else {}
    flags = in_our_names(flags, source="flag")
    local = {name: run_json.pop(name) for name in RUN_JSON_FLAGS if name in run_json}
    # Without a file, an adapter is what someone with a base wants; a file says it itself.
    adapter: dict[str, Any] = {"lora": {}} if path is None and _has_base(flags, run_json) else {}
    file = read_training_file(path) if path is not None else {}
    given = {**file, **run_json, **flags}
    from_town = places_of(given.get("role"), town)
    resolved = resolve(
        FineTuneConfig,
        flags=flags,
        run_json=run_json,
        yaml=file,
        defaults={**from_town, **adapter, **(defaults or {})},
        names={
            "yaml": path.name if path is not None else "yaml",
            "run.json": Path(run_config).name if run_config is not None else "run.json",
        },
    )
    resolved = _expanded(_naming_town(resolved, from_town, defaults or {}), town)
    _refuse_unknown_role(resolved.values, town)
    return resolved, local


def places_of(role: object, root: Path | None) -> dict[str, str]:
    """Where a town keeps corpus and runs, by setting; nothing without a town.

    Args:
        role: names the run directory; None where it is not known yet.
        root: the town that is named; None looks for one.
    """
    try:
        town = Town.locate(root)
    except NotFound:
        if root is not None:
            raise
        return {}
    runs = {} if role is None else {"checkpoint_dir": str(town.checkpoints / str(role))}
    return {"corpus_path": str(town.corpus), **runs}


def absolute(resolved: Resolved[FineTuneConfig]) -> Resolved[FineTuneConfig]:
    """The same settings, readable from any directory; hub ids stay what they are."""
    config = resolved.values
    paths = {name: getattr(config, name) for name in _PATHS}
    changed: dict[str, Any] = {name: path.resolve() for name, path in paths.items() if path is not None}
    for name in _NAMES:
        value = getattr(config, name)
        if value is not None and Path(value).is_dir():
            changed[name] = str(Path(value).resolve())
    if config.select.against is not None:
        changed["select"] = config.select.model_copy(update={"against": config.select.against.resolve()})
    return Resolved(config.model_copy(update=changed), resolved.sources)


def _naming_town(
    resolved: Resolved[FineTuneConfig], from_town: Mapping[str, str], defaults: Mapping[str, Any]
) -> Resolved[FineTuneConfig]:
    """The same settings, with the town as the source of what it gave."""
    sources = dict(resolved.sources)
    for name in from_town:
        if sources.get(name) == DEFAULT and name not in defaults:
            sources[name] = "town"
    return Resolved(resolved.values, sources)


def _refuse_unknown_role(config: FineTuneConfig, root: Path | None) -> None:
    """Raise `NotFound` for a role of nobody; one with entries or a profile of its own is somebody's."""
    role, profile = config.role, config.profile
    if role == EVERY_ROLE or (
        profile is not None and (profile.is_file() or (profile / f"{role}.yaml").is_file())
    ):
        return
    corpus = config.corpus_path
    roles = CorpusStore(corpus).roles() if corpus.is_dir() else []
    # The directory of a role may stand for the corpus that it is in.
    named = [corpus.name] if corpus.is_dir() and CorpusStore(corpus.parent).paths(corpus.name) else []
    require_known_role(role, [*roles, *named, *_own_roles(root)])


def _own_roles(root: Path | None) -> list[str]:
    try:
        return Town.locate(root).own_roles()
    except NotFound:
        return []


def _has_base(flags: Mapping[str, Any], run_json: Mapping[str, Any]) -> bool:
    return any(tree.get("base_model") is not None for tree in (flags, run_json))


def _config_path(name: str) -> Path:
    """A file as named, or a shipped configuration by its name."""
    path = Path(name).expanduser()
    if path.is_file():
        return path
    shipped = Path(str(resources.files("node0.configs"))) / "finetune"
    known = sorted(file.stem for file in shipped.glob("*.yaml"))
    if name.removesuffix(".yaml") in known:
        return shipped / f"{name.removesuffix('.yaml')}.yaml"
    raise ConfigError(f"no configuration {name}; give a YAML file, or one of {', '.join(known)}")


def _expanded(resolved: Resolved[FineTuneConfig], town: Path | None) -> Resolved[FineTuneConfig]:
    """`~/gt` means the town, another `~` the home directory."""
    config = resolved.values
    paths = {name: getattr(config, name) for name in _PATHS}
    names = {name: getattr(config, name) for name in _NAMES}
    home = {
        name: value
        for name, value in {**paths, **names}.items()
        if value is not None and str(value).startswith("~")
    }
    if not home:
        return resolved
    changed = {name: _expand(str(value), town) for name, value in home.items()}
    update = {name: value if name in paths else str(value) for name, value in changed.items()}
    return Resolved(config.model_copy(update=update), resolved.sources)


def _expand(path: str, town: Path | None) -> Path:
    if path == HOME_TOWN or path.startswith(f"{HOME_TOWN}/"):
        return Town.locate(town).expand(path)
    return Path(path).expanduser()
