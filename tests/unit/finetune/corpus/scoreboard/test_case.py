# SPDX-License-Identifier: Apache-2.0
from node0.finetune.corpus.scoreboard.case import case_of, negative


def test_the_marks_of_a_template_say_what_may_go() -> None:
    case = case_of("connections", "redis://«{u}:{v}»@{h}/0", "pa55", u="app", h="cache")

    assert (case.before, case.region, case.after) == ("redis://", "app:pa55", "@cache/0")
    assert case.text == "redis://app:pa55@cache/0"


def test_without_marks_only_the_value_may_go() -> None:
    case = case_of("files", "password={v};", "{u}pa55", u="app")

    assert (case.before, case.region, case.after) == ("password=", "{u}pa55", ";")


def test_of_a_negative_nothing_may_go() -> None:
    assert negative("code", "x = 1") == ("code", "x = 1", "", "", "")
