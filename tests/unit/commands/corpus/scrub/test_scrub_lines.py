# SPDX-License-Identifier: Apache-2.0
import json

import pytest

from node0.commands.corpus.scrub.scrub_lines import scrub_lines
from node0.errors import BadCorpus
from node0.finetune.corpus.scrubber import CorpusScrubber


@pytest.fixture(scope="module")
def scrubber() -> CorpusScrubber:
    return CorpusScrubber()


def test_lines_come_back_in_order_with_the_spans_of_what_came_in(scrubber: CorpusScrubber) -> None:
    lines = ['{"id": 1, "text": "mail jane@harbor-yard.net"}', "", '{"text": "clean"}']

    one, two = map(json.loads, scrub_lines(scrubber, lines))

    assert one == {
        "id": 1,
        "text": "mail [EMAIL_1]",
        "findings": [{"kind": "email", "tier": "redact", "start": 5, "end": 25}],
    }
    assert two == {"id": None, "text": "clean", "findings": []}


@pytest.mark.parametrize("line", ["[]", "{", '{"id": 1}', '{"text": 3}', "3"])
def test_a_line_that_is_no_text_is_named_after_those_before_it(scrubber: CorpusScrubber, line: str) -> None:
    found = scrub_lines(scrubber, ['{"text": "clean"}', line])

    assert json.loads(next(found))["text"] == "clean"
    with pytest.raises(BadCorpus, match="line 2"):
        next(found)


def test_half_a_surrogate_pair_is_written_as_an_escape(scrubber: CorpusScrubber) -> None:
    (line,) = scrub_lines(scrubber, [r'{"text": "a \ud83d é"}'])

    assert line.isascii()
    assert json.loads(line)["text"] == "a \ud83d é"
