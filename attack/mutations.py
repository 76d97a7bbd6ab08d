# SPDX-License-Identifier: Apache-2.0
"""Our mutation corpus: values and bytes that readers fall over, put at drawn places of whole documents."""

import json
from collections.abc import Callable, Sequence
from copy import deepcopy
from typing import Any

import yaml
from hypothesis import strategies as st

Tree = Any
"What JSON has."

DEEP = "[" * 300 + "]" * 300
DEEPER = "@deeper@"
"Stands for lists that Python's own reader of JSON just takes, and whatever goes down into them does not."

_DEEPER = b"[" * 900 + b"]" * 900
VALUES: Sequence[Any] = (
    None, True, False, 0, -1, 1, 2**31, 2**63, -(2**63), 10**30, 10**400, 1.5, 1e308, -1e308,
    float("nan"), float("inf"), float("-inf"), "", " ", "a", "\0", "\ud800", "\U0001f600", "é" * 50,
    "\x1b]52;c;cm0gLXJmIC8=\x07", "\x1b[2J", "\u202e", "../../outside", "/dev/zero", "a" * 100_000,
    "9" * 5000, "%s%n" * 20, "{{ 7 * 7 }}", "!!python/object/apply:os.system [id]", "2026-13-45", "nan",
    [], {}, [[]], [None], {"": None}, [[]] * 1000, {str(n): n for n in range(500)}, ["a"] * 5000,
    json.loads(DEEP), {"a": json.loads(DEEP)}, DEEPER,
)  # fmt: skip
"What stands where a reader expects something else."

PIECES: Sequence[bytes] = (
    b"\0", b"\xff", b"\xff\xfe", b"\xc3", b"\xed\xa0\x80", b"\x1b", b"\r\n", b"\n\n", b"{", b"}", b"[", b"]",
    b'"', b"\\", b"\\ud800", b"NaN", b"1e999", b"-", b"9" * 400, b"[" * 100_000, b'{"a":' * 20_000,
    b"&a [*a, *a]", b"<<: *a", b"\x7f\xff\xff\xff\xff\xff\xff\xff", b"\xff" * 8, b"\0" * 64, b"!!binary x",
)  # fmt: skip
"What is put between bytes."

Document = Callable[[Tree], bytes]


def as_json(tree: Tree) -> bytes:
    """One JSON text."""
    return json.dumps(tree).encode().replace(f'"{DEEPER}"'.encode(), _DEEPER)


def as_lines(tree: Tree) -> bytes:
    """A list, each item a line of JSON."""
    rows = tree if isinstance(tree, list) else [tree]
    return b"".join(as_json(row) + b"\n" for row in rows)


def as_yaml(tree: Tree) -> bytes:
    """One YAML text; what YAML's writer does not know, as JSON."""
    try:
        return str(yaml.safe_dump(tree, allow_unicode=True)).encode("utf-8", "surrogatepass")
    except (yaml.YAMLError, ValueError, OverflowError):
        return as_json(tree)


@st.composite
def mutated_tree(draw: st.DrawFn, seeds: Sequence[Tree], write: Document) -> bytes:
    """A document with one to three of its values changed, taken away, or doubled; seldom its bytes too."""
    tree = json.loads(json.dumps(draw(st.sampled_from(seeds))))
    for _ in range(draw(st.integers(1, 3))):
        tree = _changed(draw, tree)
    data = write(tree)
    return draw(mutated_bytes([data])) if draw(st.integers(0, 5)) == 5 else data


@st.composite
def mutated_bytes(draw: st.DrawFn, seeds: Sequence[bytes]) -> bytes:
    """Bytes with one to four places flipped, cut, doubled or put between."""
    data = bytearray(draw(st.sampled_from(seeds)))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(0, len(data) - 1)))
        how = draw(st.sampled_from(["flip", "put", "cut", "end", "double"]))
        if how == "flip" and data:
            data[at] ^= 1 << draw(st.integers(0, 7))
        elif how == "put":
            data[at:at] = draw(st.sampled_from(PIECES))
        elif how == "cut":
            del data[at : at + draw(st.integers(1, 40))]
        elif how == "end":
            del data[at:]
        else:
            data[at:at] = data[at : at + draw(st.integers(1, 200))]
    return bytes(data)


def _changed(draw: st.DrawFn, tree: Tree) -> Tree:
    places = [(), *_places(tree)]
    path = draw(st.sampled_from(places))
    if not path:
        return deepcopy(draw(st.sampled_from(VALUES)))
    *above, last = path
    parent = tree
    for step in above:
        parent = parent[step]
    how = draw(st.sampled_from(["replace", "replace", "replace", "remove", "rename", "double"]))
    if how == "remove":
        del parent[last]
    elif how == "rename" and isinstance(parent, dict):
        parent[draw(st.sampled_from(["", "\0", "__class__", "id", "a" * 300]))] = parent.pop(last)
    elif how == "double" and isinstance(parent, list):
        parent.insert(last, parent[last])
    else:
        parent[last] = deepcopy(draw(st.sampled_from(VALUES)))
    return tree


def _places(tree: Tree, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    return [place for key, value in inner for place in [(*path, key), *_places(value, (*path, key))]]
