# SPDX-License-Identifier: Apache-2.0
"""Read promptfoo's YAML: prompts, variables, tests, deterministic assertions; anything else is refused.

Format: https://www.promptfoo.dev/docs/configuration/reference
"""

import itertools
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from node0.errors import ConfigError
from node0.finetune.eval.promptfoo.promptfoo_assert import PromptfooAssert, read_assert
from node0.finetune.eval.promptfoo.promptfoo_task import PromptfooTask
from node0.settings import read_tree

_FILE_KEYS = {"description", "prompts", "providers", "targets", "tests", "defaultTest", "tags"}
_FILE_KEYS |= {"$schema", "outputPath", "sharing", "evaluateOptions"}
"Known, or of no bearing on what an answer is worth: providers are what `node0 eval` replaces."

_TEST_KEYS = {"description", "vars", "assert", "metadata"}
_VARIABLE = re.compile(r"\{\{-?\s*([A-Za-z_][\w.]*)\s*-?\}\}")


def read_promptfoo(path: Path) -> list[PromptfooTask]:
    """Each test with each prompt, in the file's order; a list as a variable gives a task for each value.

    Raises:
        ConfigError: the file is no such YAML, or uses what is not supported; the message names it.
    """
    tree = read_tree(path)
    _refuse(tree.keys() - _FILE_KEYS, where=str(path))
    prompts = [_prompt(row, path) for row in _list(tree.get("prompts"), f"{path}: prompts")]
    base = _test(tree.get("defaultTest") or {}, f"{path}: defaultTest")
    tests = _list(tree.get("tests"), f"{path}: tests")
    tasks: list[PromptfooTask] = []
    for number, row in enumerate(tests, start=1):
        where = f"{path}: test {number}"
        test = _test(row, where)
        cells = itertools.product(prompts, _values(base["vars"] | test["vars"]))
        for cell, (prompt, values) in enumerate(cells, start=1):
            asserts = [_filled(one, values, where) for one in (*base["assert"], *test["assert"])]
            if not asserts:
                raise ConfigError(f"{where} asserts nothing; give it an assertion")
            name = f"test-{number:03}" if cell == 1 else f"test-{number:03}-{cell}"
            tags = [str(test["description"])] if test["description"] else []
            tasks.append(
                PromptfooTask(name, _slug(path.stem), _fill_prompt(prompt, values, where), asserts, tags=tags)
            )
    return tasks


def _test(row: object, where: str) -> dict[str, Any]:
    if isinstance(row, str):
        raise ConfigError(f"{where} is {row!r}: tests of other files are not supported; write them out")
    if not isinstance(row, dict):
        raise ConfigError(f"{where} is a {type(row).__name__}; write a mapping")
    _refuse(row.keys() - _TEST_KEYS, where=where)
    values = row.get("vars") or {}
    if not isinstance(values, dict):
        raise ConfigError(f"{where}: vars are {values!r}; write a mapping of names to values")
    if empty := [name for name, value in values.items() if value == []]:
        raise ConfigError(f"{where}: variable {empty[0]!r} is an empty list; give it a value, or take it out")
    asserts = [read_assert(one, where=where) for one in row.get("assert") or []]
    return {"description": row.get("description"), "vars": values, "assert": asserts}


def _prompt(row: object, path: Path) -> str:
    text = row.get("raw") if isinstance(row, dict) else row
    if not isinstance(text, str):
        raise ConfigError(f"{path}: a prompt is {row!r}; write its text, or file://NAME")
    if not text.startswith("file://"):
        return text
    name = text.removeprefix("file://")
    file = path.parent / name
    if file.suffix not in (".txt", ".md", ".json"):
        raise ConfigError(f"{path}: prompt {text} is not supported; take a .txt, .md or .json file")
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise ConfigError(f"{path}: cannot read prompt {file}; check its name") from None


def _values(given: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Every choice of one value for each variable."""
    choices = [value if isinstance(value, list) else [value] for value in given.values()]
    for chosen in itertools.product(*choices):
        yield dict(zip(given, chosen, strict=True))


def _filled(one: PromptfooAssert, values: Mapping[str, Any], where: str) -> PromptfooAssert:
    value = one.value
    if isinstance(value, str):
        value = _fill(value, values, where)
    elif isinstance(value, list):
        value = [_fill(each, values, where) if isinstance(each, str) else each for each in value]
    return read_assert({"type": one.type, "value": value}, where=where, is_filled=True)


def _fill_prompt(prompt: str, values: Mapping[str, Any], where: str) -> str:
    """The prompt with variables; JSON stays JSON, whatever quotes they hold, as promptfoo has it."""
    try:
        tree = json.loads(prompt)
    except (ValueError, RecursionError):
        tree = None
    if not isinstance(tree, list | dict):
        return _fill(prompt, values, where)
    return json.dumps(_fill_strings(tree, values, where), ensure_ascii=False, indent=2)


def _fill_strings(value: Any, values: Mapping[str, Any], where: str) -> Any:
    if isinstance(value, str):
        return _fill(value, values, where)
    if isinstance(value, dict):
        return {_fill(key, values, where): _fill_strings(item, values, where) for key, item in value.items()}
    return [_fill_strings(item, values, where) for item in value] if isinstance(value, list) else value


def _fill(text: str, values: Mapping[str, Any], where: str) -> str:
    def put(found: re.Match[str]) -> str:
        value: Any = values
        for part in found[1].split("."):
            if not isinstance(value, Mapping) or part not in value:
                raise ConfigError(f"{where} has no variable {found[1]!r}; give it under vars")
            value = value[part]
        if isinstance(value, str) and value.startswith("file://"):
            raise ConfigError(f"{where}: variable {found[1]!r} of a file is not supported; write it out")
        return str(value)

    filled = _VARIABLE.sub(put, text)
    if found := re.search(r"\{%.*?%\}|\{\{.*?\}\}", _VARIABLE.sub("", text), re.DOTALL):
        raise ConfigError(f"{where}: template {found[0][:40]!r} is not supported; only {{{{name}}}} is")
    return filled


def _refuse(unknown: Sequence[Any] | set[Any], *, where: str) -> None:
    if unknown:
        raise ConfigError(f"{where}: {sorted(map(str, unknown))[0]!r} is not supported; take it out")


def _list(value: object, where: str) -> list[Any]:
    if not isinstance(value, list) or not value:
        raise ConfigError(f"{where} are {value!r}; write a list")
    return value


def _slug(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-") or "promptfoo"
