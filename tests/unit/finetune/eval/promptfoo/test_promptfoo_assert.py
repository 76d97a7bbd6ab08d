# SPDX-License-Identifier: Apache-2.0
import pytest

from node0.errors import ConfigError
from node0.finetune.eval.promptfoo.promptfoo_assert import read_assert


@pytest.mark.parametrize(
    ("kind", "value", "yes", "no"),
    [
        ("equals", "Four", "Four", "four"),
        ("equals", {"a": [1]}, '{ "a": [1] }', '{"a": [2]}'),
        ("equals", 4, "4", "5"),
        ("contains", "ow", "now", "NOW"),
        ("icontains", "OW", "now", "new"),
        ("contains-all", ["a", "b"], "ba", "aa"),
        ("contains-any", ["a", "b"], "xb", "AB"),
        ("icontains-all", ["A", "b"], "aB", "a"),
        ("icontains-any", ["A", "b"], "xB", "c"),
        ("starts-with", "no", "now", " no"),
        ("regex", r"^v\d+\.\d+$", "v1.20", "v1"),
        ("is-json", None, "[1]", "so: [1]"),
        ("contains-json", None, 'so: {"a": 1}.', "so: {a}"),
    ],
)
def test_an_assertion_and_its_negation(kind: str, value: object, yes: str, no: str) -> None:
    plain = read_assert({"type": kind, "value": value}, where="here")
    turned = read_assert({"type": f"not-{kind}", "value": value}, where="here")

    assert plain.judge(yes).passed
    assert not plain.judge(no).passed
    assert not turned.judge(yes).passed
    assert turned.judge(no).passed


def test_a_reason_names_what_was_asserted() -> None:
    told = read_assert({"type": "contains", "value": "bd close"}, where="here").judge("no")

    assert (told.check, told.reason) == ("contains", 'the answer does not fulfil contains "bd close"')


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ({"type": "llm-rubric", "value": "is kind"}, "'llm-rubric' is not supported; take one of contains"),
        ({"type": "javascript", "value": "output.length"}, "'javascript' is not supported"),
        ({"type": "contains", "value": "a", "threshold": 0.5}, "'threshold' of an assertion"),
        ({"type": "contains-any", "value": "a"}, "write a list of texts"),
        ({"type": "contains"}, "write a text"),
        ({"type": "is-json", "value": {"type": "object"}}, "with a schema is not supported"),
        ({"type": "equals", "value": "file://a.txt"}, "write it out"),
        ({"type": "regex", "value": "("}, "is no pattern"),
        ("contains", "write a mapping with a type"),
    ],
)
def test_what_is_not_supported_is_refused_by_name(row: object, told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_assert(row, where="suite.yaml: test 3")

    assert told in str(caught.value)
    assert str(caught.value).startswith("suite.yaml: test 3")
