# SPDX-License-Identifier: Apache-2.0
"""`load_suite`: the items that are shipped, or those of a directory, checked as they are read."""

import importlib.resources
from collections.abc import Iterable
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from yaml import YAMLError

from node0.documents.yaml_document import load_yaml
from node0.errors import ConfigError
from node0.finetune.eval.suite.item import Category, EvalItem

SHIPPED = "node0.finetune.eval.suite"


def load_suite(
    root: Path | None = None, *, categories: Iterable[Category] | None = None, role: str | None = None
) -> list[EvalItem]:
    """Items in the order of category and file.

    Args:
        root: a directory with a directory of YAML files for each category; the shipped items by default.
        categories: only these.
        role: only items of this role.

    Raises:
        ConfigError: a file is no list of items, an item is wrong, or two have the same id.
    """
    base: Traversable = root or importlib.resources.files(SHIPPED).joinpath("items")
    found: dict[str, EvalItem] = {}
    for category in Category if categories is None else categories:
        for file in _files(base.joinpath(category.value)):
            for item in _items(file, category):
                if item.id in found:
                    raise ConfigError(f"{file}: a second item {item.id!r}; give each an id of its own")
                found[item.id] = item
    return [item for item in found.values() if role in (None, item.role)]


def _files(directory: Traversable) -> list[Traversable]:
    if not directory.is_dir():
        return []
    return sorted((each for each in directory.iterdir() if each.name.endswith(".yaml")), key=_name)


def _name(file: Traversable) -> str:
    return file.name


def _items(file: Traversable, category: Category) -> Iterable[EvalItem]:
    try:
        rows: Any = load_yaml(file.read_text(encoding="utf-8"))
    except (YAMLError, ValueError) as error:
        raise ConfigError(f"{file} is no YAML: {' '.join(str(error).split())}; correct the file") from None
    if not isinstance(rows, list):
        raise ConfigError(f"{file} holds a {type(rows).__name__}; write a list of items")
    for row in rows:
        try:
            yield EvalItem.model_validate({"category": category, **row})
        except (ValidationError, TypeError) as error:
            name = row.get("id", "?") if isinstance(row, dict) else row
            raise ConfigError(f"{file}: item {name!r}: {_first(error)}; correct the file") from None


def _first(error: Exception) -> str:
    if isinstance(error, ValidationError):
        one = error.errors()[0]
        return f"{'.'.join(str(part) for part in one['loc'])}: {one['msg']}"
    return str(error)
