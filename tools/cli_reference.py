# SPDX-License-Identifier: Apache-2.0
"""Write the references in docs: commands from themselves, settings and run.json from their fields."""

import ast
import inspect
import sys
from collections.abc import Iterator
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import Any

import typer
from pydantic import BaseModel

from node0 import cli
from node0.finetune.config import FineTuneConfig, SelectConfig
from node0.lora.lora_config import LoRAConfig
from node0.swarm.run.swarm_run import AuthorizerConfig, Deadlines, MemberConfig, SwarmRun
from node0.usage.readable_help import EXAMPLE, command_of

ROOT = Path(__file__).resolve().parent.parent
BEGIN, END = "<!-- reference -->\n", "<!-- end of reference -->\n"
SETTINGS: dict[str, type[BaseModel]] = {"": FineTuneConfig, "lora.": LoRAConfig, "select.": SelectConfig}
RUN_FILE: dict[str, type[BaseModel]] = {
    "": SwarmRun,
    "trainer.": MemberConfig,
    "authorizer.": AuthorizerConfig,
    "deadlines.": Deadlines,
}


def main() -> int:
    """Rewrite the generated part of each page; 1 when one has no place for it."""
    for name, text in (("cli.md", commands()), ("settings.md", settings()), ("run-file.md", run_file())):
        page = ROOT / "docs" / name
        before = page.read_text(encoding="utf-8")
        if BEGIN not in before or END not in before:
            print(f"{name} has no lines {BEGIN.strip()} and {END.strip()}", file=sys.stderr)
            return 1
        page.write_text(with_reference(before, text), encoding="utf-8")
    return 0


def with_reference(page: str, text: str) -> str:
    """The page with this text between its two marks."""
    before, _, rest = page.partition(BEGIN)
    return f"{before}{BEGIN}\n{text}\n{END}{rest.partition(END)[2]}"


def commands() -> str:
    """Every command, its arguments and its options, from typer's own help records."""
    sections: list[str] = []
    for name, entry in cli.available().items():
        command = command_of(import_module(entry.module).app)
        with typer.Context(command, info_name=f"node0 {name}") as context:  # type: ignore[attr-defined,unused-ignore]  # typer versions differ
            sections.extend(_sections(command, context, summary=entry.help))
    return "\n".join(sections)


def _sections(command: Any, context: Any, *, summary: str) -> Iterator[str]:
    yield _section(command, context, summary=summary)
    for inner in getattr(command, "commands", {}).values():
        with type(context)(inner, info_name=inner.name, parent=context) as below:
            yield from _sections(inner, below, summary="")


def _section(command: Any, context: Any, *, summary: str) -> str:
    text = EXAMPLE.sub(r"Example: `\1`", inspect.cleandoc(command.help or summary))
    lines = [f"## `{context.command_path}`", "", text, ""]
    records = [(parameter.get_help_record(context) or _argument(parameter)) for parameter in command.params]
    if records:
        lines += ["| option | what it does |", "|---|---|"]
        lines += [f"| `{_cell(option)}` | {_cell(what)} |" for option, what in records]
        lines.append("")
    return "\n".join(lines)


def _argument(parameter: Any) -> tuple[str, str]:
    return (parameter.metavar or parameter.name.upper(), getattr(parameter, "help", "") or "")


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def settings() -> str:
    """Every field of a training run."""
    return _table(SETTINGS)


def run_file() -> str:
    """Every field of a swarm's run.json; a member of a stage or a spare has those of the trainer."""
    return _table(RUN_FILE)


def _table(models: dict[str, type[BaseModel]]) -> str:
    """Each field, its default, and the sentence below it in the source."""
    lines = ["| setting | default | what it does |", "|---|---|---|"]
    for prefix, model in models.items():
        lines += [
            f"| `{prefix}{name}` | {default} | {_cell(text)} |" for name, default, text in _fields(model)
        ]
    return "\n".join([*lines, ""])


def _fields(model: type[BaseModel]) -> Iterator[tuple[str, str, str]]:
    sentences = _sentences(model)
    for name, field in model.model_fields.items():
        default = "required" if field.is_required() else f"`{field.get_default(call_default_factory=True)}`"
        if isinstance(field.get_default(call_default_factory=True), BaseModel):
            default = "see below"
        yield name, _cell(default), sentences.get(name, "")


def _sentences(model: type[BaseModel]) -> dict[str, str]:
    """The string literal below each field, of the model and of those that it extends."""
    bodies = [
        tree.body
        for base in reversed(model.__mro__)
        if issubclass(base, BaseModel) and base is not BaseModel
        for tree in ast.parse(inspect.getsource(base)).body
        if isinstance(tree, ast.ClassDef)
    ]
    return {
        field.target.id: text.value.value
        for body in bodies
        for field, text in pairwise(body)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(text, ast.Expr)
        and isinstance(text.value, ast.Constant)
        and isinstance(text.value.value, str)
    }


if __name__ == "__main__":
    sys.exit(main())
