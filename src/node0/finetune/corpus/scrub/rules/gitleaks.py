# SPDX-License-Identifier: Apache-2.0
"""Read the rules of a gitleaks file: https://github.com/gitleaks/gitleaks, in Go's notation for patterns."""

import re
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from node0.errors import ConfigError, NotFound
from node0.finetune.corpus.scrub.rules.operator_rule import OperatorRule, compiled_pattern

MOST_ENTROPY = 32.0
"Bits a sign, which no text reaches."

LEADING_FLAG = re.compile(r"\(\?([ims])\)")
GO_PIECES = re.compile(r"\\.|\(\?[ims]\)|\(\?(?:[a-zA-Z-]*:|P<\w+>)|\[\^?|.", re.DOTALL)


def gitleaks_rules(path: Path) -> list[OperatorRule]:
    """The rules of a gitleaks file; those that look at paths only are left out.

    Raises:
        NotFound: there is no such file.
        ConfigError: it is no gitleaks file, or a pattern cannot be used here.
    """
    if not path.is_file():
        raise NotFound(f"no gitleaks rules at {path}: correct scrub.gitleaks in the town's model settings")
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigError(f"{path} is not TOML ({error}): repair it") from error
    common = [*_lists(content.get("allowlist")), *_lists(content.get("allowlists"))]
    disabled = set(content.get("extend", {}).get("disabledRules", ()))
    rules = [rule for rule in content.get("rules", ()) if "regex" in rule and rule.get("id") not in disabled]
    return [_gitleaks_rule(rule, common, path) for rule in rules]


def _gitleaks_rule(rule: dict[str, Any], common: Sequence[dict[str, Any]], path: Path) -> OperatorRule:
    name = str(rule.get("id", "gitleaks"))
    compiled = compiled_pattern(_python_pattern(str(rule["regex"])), f"rule {name!r} of {path}")
    lists = [*common, *_lists(rule.get("allowlist")), *_lists(rule.get("allowlists"))]
    group = rule.get("secretGroup") or None
    return OperatorRule(
        kind=re.sub(r"[^a-z0-9-]", "-", name.lower()),
        pattern=compiled,
        keywords=tuple(str(word).lower() for word in rule.get("keywords", ())),
        group=group if group is None or group <= compiled.groups else 0,
        least_entropy=_entropy(rule.get("entropy")),
        allowed=tuple(
            compiled_pattern(_python_pattern(str(pattern)), f"allowlist of {name!r} in {path}")
            for each in lists
            for pattern in each.get("regexes", ())
        ),
        allowed_words=tuple(str(word).lower() for each in lists for word in each.get("stopwords", ())),
    )


def _entropy(value: Any) -> float:
    """Bits a sign; where none is said, or more than text can have, every match counts."""
    is_some = isinstance(value, int | float) and 0 <= value <= MOST_ENTROPY
    return float(value) if is_some else 0.0


def _lists(value: Any) -> list[dict[str, Any]]:
    """One allowlist or several; those that concern only commits and paths say nothing about a text."""
    found = value if isinstance(value, list) else [value] if isinstance(value, dict) else []
    return [each for each in found if not each.get("commits") and not each.get("paths")]


def _python_pattern(pattern: str) -> str:
    """Go's notation in Python's: the end of the text, and flags that hold from here to the group's end."""
    out: list[str] = []
    opened = [""]  # for each open group, the flags switched on inside it
    at = 0
    in_class = False
    for piece in GO_PIECES.finditer(pattern.replace("[[:alnum:]]", "[A-Za-z0-9]")):
        text = piece.group()
        flags = None if in_class else LEADING_FLAG.fullmatch(text)
        if in_class or text in ("[", "[^"):
            # A bracket right after the opening one is a member.
            in_class = text != "]" or out[-1] in ("[", "[^")
        elif flags and at > 0:
            opened[-1] += flags.group(1)
            text = f"(?{flags.group(1)}:"
        elif text.startswith("(") and not flags:
            opened.append("")
        elif text == ")" and len(opened) == 1:
            return pattern  # of no group: what compiles it says so
        elif text in (")", "|"):
            close = ")" * len(opened[-1])
            again = "".join(f"(?{flag}:" for flag in opened[-1])
            text = f"{close}|{again}" if text == "|" else close + text
            if text.endswith(")"):
                opened.pop()
        out.append(r"\Z" if text == r"\z" else text)
        at = piece.end()
    return "".join(out) + ")" * len(opened[0])
