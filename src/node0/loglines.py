# SPDX-License-Identifier: Apache-2.0
"""Log lines that the monitor reads back: one object a line writes and parses it.

Nothing else spells these lines. What `write` gives `read` returns, up to the digits that are shown.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVarTuple

Values = TypeVarTuple("Values")


@dataclass(frozen=True, slots=True)
class Field:
    """How one value is written and read."""

    pattern: str
    show: Callable[[Any], str]
    parse: Callable[[str], Any]


NUMBER = Field(r"[0-9]{1,18}", str, int)
"A whole number from 0."

DECIMAL = Field(r"-?[0-9]+(?:\.[0-9]+)?|nan|-?inf", lambda value: f"{value:.4f}", float)
"Four digits after the point are written; any number of them is read."

WORD = Field(r"[A-Za-z0-9._-]+", str, str)
"A name of a stage or a category."

_BEFORE = r"(?:[0-9][0-9TZ:.,+-]*\s)*(?:(?:DEBUG|INFO|WARNING|ERROR|CRITICAL)\s(?:[A-Za-z0-9_.]+:\s)?)?"
"Time, level and logger may stand before a message. Other words may not: they could be anybody's."


class LogLine(Generic[*Values]):
    """One kind of line: text with a `{}` for each field."""

    def __init__(self, text: str, *fields: Field) -> None:
        self._text, self._fields = text, fields
        literals = [re.escape(part) for part in text.split("{}")]
        groups = [f"({field.pattern})" for field in fields]
        body = "".join(part for pair in zip(literals, [*groups, ""], strict=True) for part in pair)
        self._pattern = re.compile(rf"{_BEFORE}{body}\s*", re.ASCII)

    def write(self, *values: *Values) -> str:
        """The line.

        Raises:
            ValueError: a value could not be read back.
        """
        given: tuple[Any, ...] = values
        shown = [field.show(value) for field, value in zip(self._fields, given, strict=True)]
        for field, text in zip(self._fields, shown, strict=True):
            if not re.fullmatch(field.pattern, text, re.ASCII):
                raise ValueError(f"{text!r} does not fit {self._text!r}")
        return self._text.format(*shown)

    def read(self, line: str) -> tuple[*Values] | None:
        """The values of a line, or None where it is another one."""
        found = self._pattern.fullmatch(line)
        if found is None:
            return None
        return tuple(field.parse(text) for field, text in zip(self._fields, found.groups(), strict=True))


TRAINING_LOSS: LogLine[float] = LogLine("Training loss: {}", DECIMAL)
"Mean loss of a global batch, once a step; nan where it was not finite."

EVAL_SCORE: LogLine[str, float] = LogLine("Eval score [{}]: {}", WORD, DECIMAL)
"A category and its score."

CHECKPOINT_SAVED: LogLine[int, str] = LogLine("Checkpoint saved: step {} stage {}", NUMBER, WORD)
"Steps done, and the stage whose weights were written."

RESUME_TRIGGERED: LogLine[int] = LogLine("Checkpoint resume triggered: step {}", NUMBER)
"The step whose state training goes on from."

JOB_FAILED: LogLine[int] = LogLine("Training job failed: step {}", NUMBER)
"Steps done when training ended with an error."

NOT_FINITE: LogLine[int] = LogLine("Gradients not finite: step {}", NUMBER)
"Steps applied on the stage when its gradients held NaN or infinity."
