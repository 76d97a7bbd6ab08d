# SPDX-License-Identifier: Apache-2.0
import html
import json
import urllib.parse

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node0.finetune.corpus.scrub.written_signs import read, write_over

VALUE, OTHER = "aB3/dE5+gH7=jK9&mN1", "zY8/wV6+tS4=qP2&nM0"
WRITTEN = {
    "plain": VALUE,
    "URL": urllib.parse.quote(VALUE, safe=""),
    "JSON of Go": json.dumps(VALUE)[1:-1].replace("/", "\\/").replace("&", "\\u0026"),
    "HTML": html.escape(VALUE),
    "wrapped": f"{VALUE[:7]}\n{VALUE[7:]}",
    "in a box": f"{VALUE[:7]}\n  │ {VALUE[7:]}",
    "coloured": f"{VALUE[:7]}\x1b[1;31m{VALUE[7:]}",
    "without a width": f"{VALUE[:7]}\u200b{VALUE[7:]}",
    "escaped letter": VALUE.replace("B", "\\x42"),
}


@pytest.mark.parametrize("form", WRITTEN)
def test_every_form_says_the_same_and_another_value_is_written_in_it(form: str) -> None:
    assert read(WRITTEN[form]) == VALUE

    written = write_over(WRITTEN[form], OTHER)

    assert read(written) == OTHER
    assert form == "escaped letter" or len(written) == len(WRITTEN[form])


@given(st.text(max_size=60))
def test_writing_what_is_there_changes_nothing(text: str) -> None:
    assert write_over(text, read(text)) == text
