# SPDX-License-Identifier: Apache-2.0
import json

import pytest

from node0.finetune.corpus.lone_surrogates import replace_lone_surrogates, without_lone_surrogates


@pytest.mark.parametrize("text", ["", "plain", "bürge", "😀", "\ufffd"])
def test_a_whole_text_stays_as_it_is(text: str) -> None:
    assert replace_lone_surrogates(text) is text


@pytest.mark.parametrize(
    ("spelled", "expected"),
    [
        (r'"a\ud83d"', "a\ufffd"),
        (r'"\ude00b"', "\ufffdb"),
        (r'"\ude00\ud83d"', "\ufffd\ufffd"),
        (r'"\ud83d😀"', "\ufffd😀"),
    ],
)
def test_each_lone_surrogate_of_json_is_replaced(spelled: str, expected: str) -> None:
    text = replace_lone_surrogates(json.loads(spelled))

    assert text == expected
    assert text.encode("utf-8").decode("utf-8") == text


def test_two_halves_that_make_a_pair_become_its_character() -> None:
    assert replace_lone_surrogates("\ud83d" + "\ude00") == "😀"


def test_every_text_of_a_json_value_is_whole() -> None:
    value = json.loads(r'{"a\ud83d": ["\ude00", 1, {"b": "c\ud83d"}], "d": null}')

    assert without_lone_surrogates(value) == {"a\ufffd": ["\ufffd", 1, {"b": "c\ufffd"}], "d": None}
