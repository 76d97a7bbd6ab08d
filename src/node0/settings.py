# SPDX-License-Identifier: Apache-2.0
"""Resolve settings from flags > run.json > YAML > defaults, with the source of each.

Layers are nested mappings. `resolve` merges them key by key, refuses unknown keys with the
nearest known name, validates against a pydantic model and remembers the source of each leaf.
"""

import difflib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError

from node0.documents.json_document import depth_exceeds
from node0.documents.yaml_document import load_yaml
from node0.errors import ConfigError

Model = TypeVar("Model", bound=BaseModel)
Tree = Mapping[str, Any]

DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class Resolved(Generic[Model]):
    """Validated settings and, for each leaf (`lora.rank`), the layer that set it."""

    values: Model
    sources: dict[str, str]

    def rows(self) -> list[dict[str, Any]]:
        """One record a setting: its name, value and source."""
        tree = self.values.model_dump(mode="json")
        return [
            {"setting": name, "value": value, "from": self.sources.get(name, DEFAULT)}
            for name, value in leaves(tree)
        ]

    def to_yaml(self) -> str:
        """YAML that reads back as these settings, with each leaf's source as a comment."""
        return "".join(_yaml_lines(self.values.model_dump(mode="json"), self.sources, prefix=""))


def resolve(
    model: type[Model],
    *,
    flags: Tree | None = None,
    run_json: Tree | None = None,
    yaml: Tree | None = None,
    defaults: Tree | None = None,
    names: Mapping[str, str] | None = None,
) -> Resolved[Model]:
    """Merge the layers and validate.

    `names` gives a layer another name in sources and messages, as `{"yaml": "deacon.yaml"}`.
    Raises `ConfigError` for an unknown key (with the nearest known one) or a wrong type.
    """
    layers = {DEFAULT: defaults, "yaml": yaml, "run.json": run_json, "flag": flags}
    merged: dict[str, Any] = {}
    sources: dict[str, str] = {}
    for layer, tree in layers.items():
        name = (names or {}).get(layer, layer)
        _refuse_unknown(model, tree or {}, name=name)
        _merge(merged, tree or {}, sources, name=name)
    try:
        values = model.model_validate(merged)
    except ValidationError as error:
        raise ConfigError(_describe(error, sources)) from None
    return Resolved(values, _leaf_sources(values.model_dump(mode="json"), sources))


def assignments(texts: Sequence[str]) -> dict[str, Any]:
    """Read `a.b=c` texts into a tree; each value is YAML, so `null`, `3` and `[a, b]` work.

    Raises `ConfigError` for a text without `=` or with a value that is not YAML.
    """
    tree: dict[str, Any] = {}
    for text in texts:
        name, sign, value = text.partition("=")
        if not sign or not name.strip():
            raise ConfigError(f"cannot read --set {text!r}; write --set name=value, as in --set lora.rank=8")
        try:
            parsed = load_yaml(value)
        except (yaml.YAMLError, ValueError):  # a ValueError is of what looks like a date and is none
            raise ConfigError(f"cannot read the value of --set {text!r}; quote it as YAML") from None
        _merge(tree, _nested(name.strip(), parsed), {}, name="")
    return tree


def flag_layer(named: Mapping[str, object], settings: Sequence[str]) -> dict[str, Any]:
    """The layer of the command line: flags by the dotted setting of each, where given, and `--set` texts."""
    tree = assignments(settings)
    for name, value in named.items():
        if value is not None:
            _merge(tree, _nested(name, value), {}, name="")
    return tree


def read_tree(path: Path) -> dict[str, Any]:
    """Read a YAML or JSON file that holds a mapping.

    Raises `ConfigError` when it is missing, cannot be parsed, or holds something else.
    """
    try:
        text = path.read_text(encoding="utf-8")
        tree = _json_object(text) if path.suffix == ".json" else load_yaml(text)
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        raise ConfigError(f"cannot read settings from {path}: {reason}; check the path") from None
    except (yaml.YAMLError, ValueError) as error:
        where = " ".join(str(error).split())
        raise ConfigError(f"cannot parse settings in {path}: {where}; correct the file") from None
    if tree is None:
        return {}
    if not isinstance(tree, dict):
        raise ConfigError(
            f"settings in {path} are a {type(tree).__name__}; write a mapping of names to values"
        )
    return tree


def read_block(model: type[Model], path: Path, *, block: str) -> Model:
    """The settings under one key of a YAML file; the defaults where there is no file or no such key.

    Raises `ConfigError` when the file is not YAML, or a setting is unknown or of a wrong type.
    """
    tree = read_tree(path) if path.is_file() else {}
    given = tree.get(block)
    if given is not None and not isinstance(given, dict):
        raise ConfigError(
            f"{path} has no settings under {block}, but {given!r}; write a mapping of names to values"
        )
    return resolve(model, yaml=given or {}, names={"yaml": f"{block} in {path}"}).values


def validate(model: type[Model], tree: Tree, *, source: str) -> Model:
    """Build `model` from one layer, with the same refusals as `resolve`."""
    return resolve(model, yaml=tree, names={"yaml": source}).values


def nearest(name: str, known: list[str]) -> str:
    """`; did you mean 'x'?` for the closest known name, or the list of all of them."""
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"; did you mean {close[0]!r}?" if close else f"; known: {', '.join(sorted(known))}"


def leaves(tree: Tree, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every (dotted name, value) that is not a non-empty mapping, in order."""
    for key, value in tree.items():
        if isinstance(value, Mapping) and value:
            yield from leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _json_object(text: str) -> Any:
    try:
        value = json.loads(text)
    except RecursionError:
        raise ValueError("it nests too deep") from None
    if depth_exceeds(value):
        raise ValueError("it nests too deep")
    return value


def _merge(into: dict[str, Any], tree: Tree, sources: dict[str, str], *, name: str, prefix: str = "") -> None:
    for key, value in tree.items():
        path = f"{prefix}{key}"
        sources[path] = name
        if not isinstance(value, Mapping):
            _forget_below(sources, path)
            into[key] = value
            continue
        if not isinstance(into.get(key), dict):
            into[key] = {}
        _merge(into[key], value, sources, name=name, prefix=f"{path}.")


def _forget_below(sources: dict[str, str], path: str) -> None:
    for below in [known for known in sources if known.startswith(f"{path}.")]:
        del sources[below]


def _leaf_sources(tree: Tree, sources: Mapping[str, str]) -> dict[str, str]:
    found = {}
    for path, _ in leaves(tree):
        below = any(known.startswith(f"{path}.") for known in sources)
        found[path] = sources[path] if path in sources and not below else DEFAULT
    return found


def _refuse_unknown(model: type[BaseModel], tree: Tree, *, name: str, prefix: str = "") -> None:
    for key, value in tree.items():
        if key not in model.model_fields:
            known = [f"{prefix}{field}" for field in model.model_fields]
            raise ConfigError(
                f"unknown setting {f'{prefix}{key}'!r} from {name}{nearest(f'{prefix}{key}', known)}"
            )
        annotation = model.model_fields[key].annotation
        inner = _model_inside(annotation)
        if inner is not None and isinstance(value, Mapping):
            for path, below in _below(f"{prefix}{key}.", value, is_named=get_origin(annotation) is dict):
                _refuse_unknown(inner, below, name=name, prefix=path)


def _below(path: str, tree: Tree, *, is_named: bool) -> Iterator[tuple[str, Tree]]:
    """The tree of a model; or, where a person gives them names, that of each model of a mapping."""
    if not is_named:
        yield path, tree
        return
    yield from ((f"{path}{key}.", one) for key, one in tree.items() if isinstance(one, Mapping))


def _model_inside(annotation: object) -> type[BaseModel] | None:
    for candidate in (annotation, *get_args(annotation)):
        if isinstance(candidate, type) and issubclass(candidate, BaseModel):
            return candidate
    return None


def _describe(error: ValidationError, sources: Mapping[str, str]) -> str:
    first = error.errors()[0]
    path = ".".join(str(part) for part in first["loc"])
    if first["type"] == "missing":
        return f"setting {path!r} is missing; give it as a flag, in run.json or in the YAML file"
    expected = first["msg"].removeprefix("Value error, ").replace("Input should be", "expected", 1)
    known = [source for source in (path, *_parents(path)) if source in sources]
    origin = sources[known[0]] if known else DEFAULT
    return f"setting {path!r} is {first['input']!r} (from {origin}): {expected}"


def _parents(path: str) -> Iterator[str]:
    while "." in path:
        path = path.rpartition(".")[0]
        yield path


def _nested(name: str, value: object) -> dict[str, Any]:
    head, _, rest = name.partition(".")
    return {head: _nested(rest, value) if rest else value}


def _yaml_lines(tree: Tree, sources: Mapping[str, str], *, prefix: str) -> Iterator[str]:
    indent = "  " * prefix.count(".")
    for key, value in tree.items():
        path = f"{prefix}{key}"
        if isinstance(value, Mapping) and value:
            yield f"{indent}{key}:\n"
            yield from _yaml_lines(value, sources, prefix=f"{path}.")
        else:
            yield f"{indent}{key}: {_inline(value)}  # {sources.get(path, DEFAULT)}\n"


def _inline(value: object) -> str:
    dumped = yaml.safe_dump(value, default_flow_style=True, width=math.inf, allow_unicode=True)
    return dumped.removesuffix("\n").removesuffix("\n...")
