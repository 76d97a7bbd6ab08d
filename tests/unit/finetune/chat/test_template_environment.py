# SPDX-License-Identifier: Apache-2.0
import re

import pytest

from node0.bounded.helper_loop import Refused
from node0.finetune.chat.template_environment import rendered


def test_what_is_learnt_is_marked_and_says_nothing() -> None:
    assert rendered(["a{% generation %}{{ b }}{% endgeneration %}c", {"b": "B"}]) == "aBc"


def test_json_is_not_escaped_for_html() -> None:
    assert rendered(["{{ v | tojson }}", {"v": {"a": "<é'>"}}]) == '{"a": "<é\'>"}'
    assert rendered(["{{ v | tojson(indent=1) }}", {"v": [1]}]) == "[\n 1\n]"


def test_loops_can_be_left_and_the_day_is_known() -> None:
    assert (
        rendered(["{% for i in v %}{% if i > 1 %}{% break %}{% endif %}{{ i }}{% endfor %}", {"v": [1, 2]}])
        == "1"
    )
    assert re.fullmatch(r"\d{4}", rendered(["{{ strftime_now('%Y') }}", {}]))


@pytest.mark.parametrize(
    "template",
    [
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ raise_exception.__globals__.json }}",
        "{{ '{0.__class__.__init__.__globals__}'.format(raise_exception) }}",
        "{{ cycler.__init__.__globals__.os }}",
        "{% include '/etc/hostname' %}",
        "{{ v.append(2) }}",
    ],
)
def test_a_template_that_reaches_out_of_the_sandbox_is_refused(template: str) -> None:
    with pytest.raises(Refused):
        rendered([template, {"v": [1]}])
