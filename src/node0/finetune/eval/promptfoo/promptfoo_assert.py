# SPDX-License-Identifier: Apache-2.0
"""The assertions of promptfoo that need no program and no other model, as checks of an answer's text.

Names and meanings: https://www.promptfoo.dev/docs/configuration/expected-outputs/deterministic
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from node0.bounded.patterns import finds
from node0.errors import ConfigError
from node0.finetune.eval.schema import CheckOutcome

NOT = "not-"
_KEYS = {"type", "value", "metric", "description"}


@dataclass(frozen=True)
class PromptfooAssert:
    """One assertion, after variables were put into its value."""

    type: str
    value: Any

    def judge(self, answer: str) -> CheckOutcome:
        """Whether the answer holds it."""
        kind, wanted = self.type.removeprefix(NOT), not self.type.startswith(NOT)
        holds = _KINDS[kind](answer, self.value)
        what = f"{kind} {_short(self.value)}".strip()
        told = f"the answer {'fulfils' if holds else 'does not fulfil'} {what}"
        return CheckOutcome(check=self.type, passed=holds is wanted, reason=told)


def read_assert(row: object, *, where: str, is_filled: bool = False) -> PromptfooAssert:
    """An assertion as the file has it, or with its variables filled.

    Raises:
        ConfigError: its type is not supported, it has another key, or its value is of a wrong kind.
    """
    if not isinstance(row, dict) or not isinstance(row.get("type"), str):
        raise ConfigError(f"{where}: an assertion is {row!r}; write a mapping with a type")
    kind = row["type"].removeprefix(NOT)
    if kind not in _KINDS:
        known = ", ".join(sorted(_KINDS))
        raise ConfigError(f"{where}: assertion type {row['type']!r} is not supported; take one of {known}")
    if unknown := sorted(map(str, row.keys() - _KEYS)):
        raise ConfigError(f"{where}: {unknown[0]!r} of an assertion is not supported; take it out")
    value = row.get("value")
    if kind in _LISTS and not (isinstance(value, list) and value):
        raise ConfigError(f"{where}: {row['type']} has value {value!r}; write a list of texts")
    if kind in _TEXTS and not isinstance(value, str | int | float):
        raise ConfigError(f"{where}: {row['type']} has value {value!r}; write a text")
    if kind in _BARE and value is not None:
        raise ConfigError(f"{where}: {row['type']} with a schema is not supported; take its value out")
    if isinstance(value, str) and value.startswith("file://"):
        raise ConfigError(f"{where}: value {value!r} of an assertion is not supported; write it out")
    if kind == "regex" and (is_filled or "{{" not in str(value)):
        _require_pattern(str(value), where)
    return PromptfooAssert(row["type"], value)


def _require_pattern(pattern: str, where: str) -> None:
    try:
        re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        raise ConfigError(f"{where}: {pattern!r} is no pattern ({error}); correct it") from None


def _equals(answer: str, value: Any) -> bool:
    if isinstance(value, dict | list):
        return bool(_json(answer) == value)
    return answer == str(value)


def _regex(answer: str, value: Any) -> bool:
    return finds(str(value), answer)


def _is_json(answer: str, value: Any) -> bool:
    return _json(answer) is not _NO_JSON


def _contains_json(answer: str, value: Any) -> bool:
    decoder = json.JSONDecoder()
    for start in (match.start() for match in re.finditer(r"[{\[]", answer)):
        try:
            decoder.raw_decode(answer, start)
        except (ValueError, RecursionError):
            continue
        return True
    return False


def _json(answer: str) -> Any:
    try:
        return json.loads(answer)
    except (ValueError, RecursionError):
        return _NO_JSON


def _texts(value: Sequence[Any]) -> list[str]:
    return [str(each) for each in value]


def _lower(value: Sequence[Any]) -> list[str]:
    return [str(each).lower() for each in value]


def _short(value: object) -> str:
    text = "" if value is None else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 80 else f"{text[:77]}..."


_NO_JSON = object()
_KINDS: Mapping[str, Callable[[str, Any], bool]] = {
    "equals": _equals,
    "contains": lambda answer, value: str(value) in answer,
    "icontains": lambda answer, value: str(value).lower() in answer.lower(),
    "contains-all": lambda answer, value: all(each in answer for each in _texts(value)),
    "contains-any": lambda answer, value: any(each in answer for each in _texts(value)),
    "icontains-all": lambda answer, value: all(each in answer.lower() for each in _lower(value)),
    "icontains-any": lambda answer, value: any(each in answer.lower() for each in _lower(value)),
    "starts-with": lambda answer, value: answer.startswith(str(value)),
    "regex": _regex,
    "is-json": _is_json,
    "contains-json": _contains_json,
}
_LISTS = {"contains-all", "contains-any", "icontains-all", "icontains-any"}
_TEXTS = {"contains", "icontains", "starts-with", "regex"}
_BARE = {"is-json", "contains-json"}
