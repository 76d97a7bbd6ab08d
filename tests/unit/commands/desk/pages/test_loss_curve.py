# SPDX-License-Identifier: Apache-2.0
import math

from node0.commands.desk.pages.loss_curve import BOTTOM, HEIGHT, LEFT, POINTS, RIGHT, TOP, WIDTH, loss_curve


def test_a_curve_goes_from_corner_to_corner_of_its_drawing() -> None:
    curve = loss_curve([{"step": 0, "loss": 3.0}, {"step": 10, "loss": 2.0}, {"step": 20, "loss": 1.0}])

    assert curve is not None
    (line,) = curve.lines
    middle = ((LEFT + WIDTH - RIGHT) / 2, (TOP + HEIGHT - BOTTOM) / 2)
    assert line.points == [(LEFT, TOP), middle, (WIDTH - RIGHT, HEIGHT - BOTTOM)]
    assert line.last == 1.0
    assert [tick.label for tick in curve.losses] == ["1", "2", "3"]
    assert [tick.label for tick in curve.steps] == ["0", "20"]


def test_validation_is_a_line_of_its_own_in_the_same_scale() -> None:
    curve = loss_curve([{"step": 1, "loss": 2.0}, {"step": 2, "loss": 1.0, "val_loss": 2.0}])

    assert curve is not None
    training, validation = curve.lines
    assert (training.name, validation.name) == ("training", "validation")
    assert validation.points == [(WIDTH - RIGHT, TOP)]


def test_what_is_no_finite_number_is_left_out() -> None:
    rows = [{"step": 1, "loss": math.nan}, {"step": 2, "loss": math.inf}, {"step": 3}, {"loss": "low"}, {}]

    assert loss_curve(rows) is None
    kept = loss_curve([*rows, {"step": 4, "loss": 1.5}])
    assert kept is not None and [line.last for line in kept.lines] == [1.5]


def test_a_long_run_is_drawn_with_a_bounded_number_of_points() -> None:
    curve = loss_curve([{"step": step, "loss": 1 / (1 + step)} for step in range(100_000)])

    assert curve is not None
    assert len(curve.lines[0].points) <= POINTS + 1
    assert curve.lines[0].points[-1][0] == WIDTH - RIGHT
