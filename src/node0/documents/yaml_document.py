# SPDX-License-Identifier: Apache-2.0
"""Read YAML under bounds: what it says and what its aliases make of it."""

from typing import Any

import yaml

MAX_BYTES = 1 << 20
MAX_NODES = 100_000
"Values, counted as often as aliases repeat them."

MAX_DEPTH = 100

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def load_yaml(text: str) -> Any:
    """The value of a YAML document, of plain kinds alone.

    Raises:
        yaml.YAMLError: it is not YAML, is too large, nests too deep, or repeats itself through aliases.
        ValueError: a value of it looks like a date or a number and is none.
    """
    if len(text) > MAX_BYTES:
        raise yaml.YAMLError(f"it has {len(text)} characters, at most {MAX_BYTES} are read")
    _refuse_deep(text)
    root = yaml.compose(text, _Loader)
    if root is None:
        return None
    _count(root, {}, depth=0)
    loader = yaml.SafeLoader("")
    try:
        return loader.construct_document(root)
    finally:
        loader.dispose()


def _refuse_deep(text: str) -> None:
    """By its events, one after the other: whoever composes them goes down into each, in C without a bound."""
    depth = 0
    for event in yaml.parse(text, _Loader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            raise _too_deep()


def _count(node: yaml.Node, known: dict[int, int], *, depth: int) -> int:
    """How many values a node stands for; refused where that is more than the bounds."""
    if depth > MAX_DEPTH:
        raise _too_deep()
    if id(node) not in known:
        found = 1 + sum(_count(each, known, depth=depth + 1) for each in _inside(node))
        if found > MAX_NODES:
            raise yaml.YAMLError(f"its aliases stand for more than {MAX_NODES} values")
        known[id(node)] = found
    return known[id(node)]


def _inside(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [part for pair in node.value for part in pair]
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []


def _too_deep() -> yaml.YAMLError:
    return yaml.YAMLError(f"it nests more than {MAX_DEPTH} deep")
