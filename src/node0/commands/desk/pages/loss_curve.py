# SPDX-License-Identifier: Apache-2.0
"""The loss curve of a run as points of a drawing, in the words of SVG."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypeGuard

WIDTH, HEIGHT = 640, 260
LEFT, RIGHT, TOP, BOTTOM = 74, 14, 14, 30
"Margins that hold the numbers of the axes."

POINTS = 500
"Of a line; of more steps, that many are drawn."

SERIES = (("loss", "training"), ("val_loss", "validation"))
"Fields of a step's record, and what each is called."


class Line(NamedTuple):
    """One series."""

    name: str
    points: Sequence[tuple[float, float]]
    "x from the left and y from the top."

    last: float
    "The newest value."


class Tick(NamedTuple):
    """A number at an axis."""

    place: float
    label: str


class LossCurve(NamedTuple):
    """A drawing of `WIDTH` by `HEIGHT`, whose lines stand between `left` and `right`."""

    lines: Sequence[Line]
    steps: Sequence[Tick]
    losses: Sequence[Tick]
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    right: int = WIDTH - RIGHT


def loss_curve(records: Iterable[Mapping[str, Any]]) -> LossCurve | None:
    """The curve of a run's records; None where they hold no finite loss."""
    rows = list(records)
    series = {name: _values(rows, key) for key, name in SERIES}
    known = [point for points in series.values() for point in points]
    if not known:
        return None
    steps, losses = _range(step for step, _ in known), _range(loss for _, loss in known)
    lines = [
        Line(name, [(_x(step, steps), _y(loss, losses)) for step, loss in _thinned(points)], points[-1][1])
        for name, points in series.items()
        if points
    ]
    return LossCurve(
        lines,
        [Tick(_x(step, steps), f"{step:g}") for step in steps],
        [Tick(_y(loss, losses), f"{loss:.3g}") for loss in (losses[0], sum(losses) / 2, losses[1])],
    )


def _values(rows: Iterable[Mapping[str, Any]], key: str) -> list[tuple[float, float]]:
    pairs = ((row.get("step"), row.get(key)) for row in rows)
    return [(float(step), float(loss)) for step, loss in pairs if _is_number(step) and _is_number(loss)]


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and math.isfinite(value)


def _range(values: Iterable[float]) -> tuple[float, float]:
    found = list(values)
    low, high = min(found), max(found)
    return (low, high) if high > low else (low, low + 1)


def _x(step: float, steps: tuple[float, float]) -> float:
    share = (step - steps[0]) / (steps[1] - steps[0])
    return round(LEFT + share * (WIDTH - LEFT - RIGHT), 1)


def _y(loss: float, losses: tuple[float, float]) -> float:
    share = (loss - losses[0]) / (losses[1] - losses[0])
    return round(HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM), 1)


def _thinned(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Of many points every n-th, and the last one."""
    every = math.ceil(len(points) / POINTS)
    return [*points[:-1:every], points[-1]]
