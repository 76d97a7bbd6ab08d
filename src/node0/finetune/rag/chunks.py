# SPDX-License-Identifier: Apache-2.0
"""Texts cut into pieces of some 200 tokens, each under a line that says of what it is a piece."""

import re
import tomllib
from collections.abc import Iterator
from typing import Any

SIZE = 900
"Characters of a piece, its first line not counted: some 200 tokens."

LONGEST_HEAD = 160


def chunked(text: str, *, head: str) -> list[str]:
    """The pieces of a text, cut at paragraphs where that can be, else at lines, sentences or words."""
    head = " ".join(head.split())[:LONGEST_HEAD]
    return [f"{head}\n{piece}" for piece in _pieces(text)] or ([head] if head else [])


def _pieces(text: str) -> Iterator[str]:
    piece = ""
    for part in _parts(text.strip(), 0):
        joined = f"{piece}{part}"
        if piece and len(joined.strip()) > SIZE:
            yield piece.strip()
            joined = part
        piece = joined
    if piece.strip():
        yield piece.strip()


_LEVELS = [
    re.compile(pattern)
    for pattern in (r"(?<=\n)(?=\s*\n)|(?=^#{1,6} )", r"(?<=\n)", r"(?<=[.!?] )", r"(?<=\s)")
]


def _parts(text: str, level: int) -> Iterator[str]:
    """The text in parts no longer than a piece, which joined are the text."""
    if len(text) <= SIZE:
        yield text
    elif level == len(_LEVELS):
        yield from (text[start : start + SIZE] for start in range(0, len(text), SIZE))
    else:
        for part in _LEVELS[level].split(text):
            yield from _parts(part, level + 1)


def formula_text(content: str) -> tuple[str, str] | None:
    """A formula's name, and what it says: its description and those of its steps; None where it is no TOML.

    Steps are also called legs, aspects or templates; gt's and bd's formulas have other fields beside these.
    """
    try:
        formula = tomllib.loads(content)
    except tomllib.TOMLDecodeError:
        return None
    said = formula.get("formula")
    table = said if isinstance(said, dict) else formula
    name = str(table.get("name") or (said if isinstance(said, str) else ""))
    lines = [f"Formula: {name}", str(table.get("description", "")).strip()]
    lines += [f"Variable {var}: {told}" for var, told in _variables(formula)]
    steps = [
        _step(step) for part in ("steps", "legs", "aspects", "template") for step in _tables(formula, part)
    ]
    synthesis = formula.get("synthesis")
    steps += [_step({"id": "synthesis", **synthesis})] if isinstance(synthesis, dict) else []
    return name, "\n".join([*filter(None, lines), *(["Steps:", *steps] if steps else [])])


def _step(step: dict[str, Any]) -> str:
    title = " ".join(str(step[name]).strip() for name in ("id", "title") if step.get(name))
    told = [str(step[name]).strip() for name in ("focus", "description", "acceptance") if step.get(name)]
    return "\n".join([f"\nStep {title}:", *told])


def _tables(formula: dict[str, Any], name: str) -> list[dict[str, Any]]:
    found = formula.get(name)
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _variables(formula: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for part in ("vars", "inputs"):
        table = formula.get(part)
        for name, told in table.items() if isinstance(table, dict) else ():
            yield name, str(told.get("description", "") if isinstance(told, dict) else told).strip()
