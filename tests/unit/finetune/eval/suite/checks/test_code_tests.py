# SPDX-License-Identifier: Apache-2.0
from eval_items import DictPlace

from node0.finetune.eval.suite.checks.code_tests import DRIVER, TESTS, CodeTests
from node0.finetune.eval.suite.evidence import Evidence, Ran


class _Place(DictPlace):
    """Runs the driver by saying of each named test what it was told to say."""

    def __init__(self, told: dict[str, str], *, mark: str | None = None) -> None:
        super().__init__()
        self.told, self.mark = told, mark

    def run(self, command: str) -> Ran:
        mark = self.mark or command.split()[4]
        lines = [f"{mark} {name} {result}" for name, result in self.told.items()]
        return Ran(command, 0, "printed by the code\n" + "\n".join(lines))


CHECK = CodeTests(check="tests", code="def test_a(): pass", fixed=("test_a",), kept=("test_b",))


def _reason(place: DictPlace) -> str:
    result = CHECK.judge(Evidence("polecat", [], place=place))
    return "" if result.passed else result.reason


def test_all_named_tests_must_pass() -> None:
    place = _Place({"test_a": "ok", "test_b": "ok"})

    assert _reason(place) == ""
    assert place.files[TESTS] == "def test_a(): pass"
    assert DRIVER in place.files


def test_what_the_change_broke_is_said_before_what_still_fails() -> None:
    assert "broken by the change: test_b: KeyError: x" in _reason(
        _Place({"test_a": "no", "test_b": "KeyError: x"})
    )
    assert "still failing: test_a" in _reason(_Place({"test_a": "AssertionError: ", "test_b": "ok"}))


def test_lines_without_the_mark_of_this_run_prove_nothing() -> None:
    assert _reason(_Place({"test_a": "ok", "test_b": "ok"}, mark="guessed")).startswith(
        "broken by the change"
    )


def test_a_place_that_was_taken_fails() -> None:
    place = DictPlace()
    place.write = lambda path, text: False  # type: ignore[method-assign]  # as a link at that path would

    assert _reason(place) == "the place for the tests was taken"
