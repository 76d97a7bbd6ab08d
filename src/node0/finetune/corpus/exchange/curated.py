# SPDX-License-Identifier: Apache-2.0
"""Read curated examples: entry files, or JSON lines with as little as messages.

Only `messages` (or `chosen` and `rejected`) and a role are needed; everything else has a default, and the
id is a digest of what is in the example, so that the same file added twice adds nothing.
"""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from node0.documents.json_document import value_of
from node0.errors import BadCorpus, NotFound
from node0.finetune.corpus.lone_surrogates import without_lone_surrogates
from node0.finetune.corpus.quality.entry_validation import problems_of
from node0.finetune.corpus.schema import CorpusEntry
from node0.finetune.corpus.town.actors import TOWN_RIG

WANTED = {"messages", "chosen"}


def read_curated(
    path: Path,
    *,
    role: str | None = None,
    task_type: str = "curated",
    convert: Callable[[Any], Any] = lambda value: value,
) -> Iterator[CorpusEntry]:
    """The entries of a JSON document (an object or a list) or of JSON lines, unscrubbed.

    Args:
        role: For examples that name none.
        convert: Makes an entry's fields of what is read; a ValueError says why it cannot.

    Raises:
        NotFound: there is no such file.
        BadCorpus: an example cannot be used; the line names it.
    """
    if not path.is_file():
        raise NotFound(f"no file {path}: name a .json or .jsonl file of examples")
    created = datetime.fromtimestamp(int(path.stat().st_mtime), UTC).isoformat()
    defaults = {"rig": TOWN_RIG, "task_type": task_type, "outcome": "curated", "created_at": created}
    for number, value in enumerate(_values(path), start=1):
        where = f"{path}, example {number}"
        try:
            fields = convert(value)
        except ValueError as error:
            raise BadCorpus(f"{where}: {error}; repair or remove it") from error
        yield _entry(where, fields, {**defaults, **({"role": role} if role else {})})


def _values(path: Path) -> Iterator[Any]:
    text = path.read_text(encoding="utf-8", errors="replace")
    try:
        whole = without_lone_surrogates(value_of(text))
    except ValueError:
        for number, line in enumerate(text.splitlines(), start=1):
            if line.strip():
                yield _line(path, number, line)
        return
    yield from whole if isinstance(whole, list) else [whole]


def _line(path: Path, number: int, line: str) -> Any:
    try:
        return without_lone_surrogates(value_of(line))
    except ValueError as error:
        raise BadCorpus(f"{path}, line {number} cannot be read ({error}): repair or remove it") from error


def _entry(where: str, value: Any, defaults: dict[str, Any]) -> CorpusEntry:
    if not isinstance(value, dict) or not WANTED & value.keys():
        raise BadCorpus(f"{where} has neither messages nor chosen and rejected: see docs/cli.md")
    values = {"id": "none", **defaults, **value}
    if "role" not in values:
        raise BadCorpus(f"{where} names no role: add it, or say --role")
    try:
        entry = CorpusEntry.model_validate(values)
    except ValidationError as error:
        problem = error.errors()[0]
        field = ".".join(str(part) for part in problem["loc"])
        raise BadCorpus(f"{where}: {field}: {problem['msg']}; repair it") from error
    _check_turns(where, entry)
    return entry if "id" in value else entry.model_copy(update={"id": entry.digest()[:16]})


def _check_turns(where: str, entry: CorpusEntry) -> None:
    if problem := next(problems_of(entry), None):
        raise BadCorpus(f"{where}: {problem}; repair it")
