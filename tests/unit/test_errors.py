# SPDX-License-Identifier: Apache-2.0
import inspect
import re

from node0 import errors

CLASSES = dict(inspect.getmembers(errors, inspect.isclass))


def _drawn() -> dict[str, str]:
    """Each class in the drawing, and the class that it hangs on."""
    above: dict[int, str] = {}
    found = {}
    for line in (errors.__doc__ or "").splitlines():
        if match := re.match(r"    ([ │├└─]*)([A-Z]\w+)", line):
            depth = len(match[1]) // 4
            above[depth] = match[2]
            found[match[2]] = above.get(depth - 1, "Exception")
    return found


def test_the_drawing_shows_every_error_below_the_one_it_is_a_kind_of() -> None:
    assert _drawn() == {name: kind.__bases__[0].__name__ for name, kind in CLASSES.items()}


def test_the_exit_code_says_whether_trying_again_helps() -> None:
    codes = {kind: kind.exit_code for kind in CLASSES.values()}

    assert {code for kind, code in codes.items() if issubclass(kind, errors.RetriableError)} == {75}
    assert {kind for kind, code in codes.items() if code == 3} == {errors.GateRefused}
    assert set(codes.values()) == {1, 3, 75}


def test_every_error_says_when_it_is_raised() -> None:
    assert [name for name, kind in CLASSES.items() if not (kind.__doc__ or "").endswith(".")] == []


def test_a_value_that_is_too_long_for_a_line_loses_its_middle() -> None:
    value = "x" * 100_000

    told = str(errors.ConfigError(f"setting 'a' is {value}; write a shorter one"))

    assert len(told) < errors.LONGEST_LINE
    assert told.startswith("setting 'a' is xx") and told.endswith("; write a shorter one")
    assert str(errors.ConfigError("a short one")) == "a short one"
