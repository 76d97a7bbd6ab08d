# SPDX-License-Identifier: Apache-2.0
"""Patterns that a town adds to the table: its own, and those of a gitleaks rules file.

A pattern is looked for only in texts that hold one of its keywords. Whether it takes linear time is its
author's business; the rules of the table do.
"""

import math
import re
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from node0.errors import ConfigError, NotFound
from node0.finetune.corpus.scrub.finding import Finding, Tier
from node0.finetune.corpus.scrub.rules.values import entropy, stands_for_a_value

SHORTEST_SECRET = 8
LEADING_FLAG = re.compile(r"\(\?([ims])\)")
GO_PIECES = re.compile(r"\\.|\(\?[ims]\)|\(\?(?:[a-zA-Z-]*:|P<\w+>)|\[\^?|.", re.DOTALL)


@dataclass(frozen=True)
class OperatorRule:
    """One pattern of a town."""

    kind: str
    pattern: re.Pattern[str]
    tier: Tier = Tier.REDACT
    keywords: tuple[str, ...] = ()
    "In lower case; none means every text."

    group: int | str | None = 0
    "What of a match goes; None is the longest group."

    least_entropy: float = 0.0
    allowed: tuple[re.Pattern[str], ...] = ()
    "What is no secret after all."

    allowed_words: tuple[str, ...] = ()

    @property
    def identity(self) -> str:
        """All of it, for the version of a scrubber."""
        allowed = [pattern.pattern for pattern in self.allowed]
        parts = (
            self.kind,
            self.pattern.pattern,
            self.pattern.flags,
            self.tier.value,
            self.keywords,
            self.group,
        )
        return repr((*parts, self.least_entropy, allowed, self.allowed_words))

    def findings(self, text: str) -> Iterator[Finding]:
        """Every place."""
        if self.keywords:
            folded = text.lower()
            if not any(word in folded for word in self.keywords):
                return
        for match in self.pattern.finditer(text):
            start, end = match.span(_filled(match) if self.group is None else self.group)
            if end > start and not self._harmless(match.group(), text[start:end]):
                yield Finding(self.kind, self.tier, start, end)

    def _harmless(self, whole: str, secret: str) -> bool:
        if stands_for_a_value(secret) or (self.least_entropy and entropy(secret) < self.least_entropy):
            return True
        folded = secret.lower()
        return any(word in folded for word in self.allowed_words) or any(
            pattern.search(secret) or pattern.search(whole) for pattern in self.allowed
        )


def operator_rule(kind: str, pattern: str, *, tier: Tier, keywords: Sequence[str] = ()) -> OperatorRule:
    """A rule of a town's settings; the group `secret`, where there is one, is what goes.

    Raises:
        ConfigError: the pattern is none, or matches nothing at all.
    """
    compiled = _compiled(pattern, f"scrub rule {kind!r}")
    if compiled.match(""):
        raise ConfigError(f"scrub rule {kind!r} matches the empty text: make its pattern longer")
    group = "secret" if "secret" in compiled.groupindex else 0
    return OperatorRule(kind, compiled, tier, tuple(word.lower() for word in keywords), group)


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
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not TOML ({error}): repair it") from error
    common = [*_lists(content.get("allowlist")), *_lists(content.get("allowlists"))]
    disabled = set(content.get("extend", {}).get("disabledRules", ()))
    rules = [rule for rule in content.get("rules", ()) if "regex" in rule and rule.get("id") not in disabled]
    return [_gitleaks_rule(rule, common, path) for rule in rules]


def _gitleaks_rule(rule: dict[str, Any], common: Sequence[dict[str, Any]], path: Path) -> OperatorRule:
    name = str(rule.get("id", "gitleaks"))
    compiled = _compiled(_python_pattern(str(rule["regex"])), f"rule {name!r} of {path}")
    lists = [*common, *_lists(rule.get("allowlist")), *_lists(rule.get("allowlists"))]
    group = rule.get("secretGroup") or None
    return OperatorRule(
        kind=re.sub(r"[^a-z0-9-]", "-", name.lower()),
        pattern=compiled,
        keywords=tuple(str(word).lower() for word in rule.get("keywords", ())),
        group=group if group is None or group <= compiled.groups else 0,
        least_entropy=float(rule.get("entropy", 0) or 0) if math.isfinite(rule.get("entropy", 0) or 0) else 0,
        allowed=tuple(
            _compiled(_python_pattern(str(pattern)), f"allowlist of {name!r} in {path}")
            for each in lists
            for pattern in each.get("regexes", ())
        ),
        allowed_words=tuple(str(word).lower() for each in lists for word in each.get("stopwords", ())),
    )


def _filled(match: re.Match[str]) -> int:
    """The longest group, or all where groups hold only marks of the format."""
    lengths = [(len(text or ""), number) for number, text in enumerate(match.groups(), start=1)]
    length, number = max(lengths, default=(0, 0))
    return number if length >= SHORTEST_SECRET else 0


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
        elif text in (")", "|"):
            close = ")" * len(opened[-1])
            again = "".join(f"(?{flag}:" for flag in opened[-1])
            text = f"{close}|{again}" if text == "|" else close + text
            if text.endswith(")"):
                opened.pop()
        out.append(r"\Z" if text == r"\z" else text)
        at = piece.end()
    return "".join(out) + ")" * len(opened[0])


def _compiled(pattern: str, where: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern)
    except re.error as error:
        raise ConfigError(f"{where} cannot be used ({error}): repair or disable it") from error
