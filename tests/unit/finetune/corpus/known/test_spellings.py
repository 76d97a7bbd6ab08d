# SPDX-License-Identifier: Apache-2.0
import base64
import json
import shlex
from urllib.parse import quote, quote_plus

from hypothesis import given
from hypothesis import strategies as st

from node0.finetune.corpus.known.spellings import spellings

VALUES = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=8, max_size=40)


@given(VALUES, st.binary(max_size=7), st.binary(max_size=7))
def test_one_spelling_stands_in_the_base64_of_anything_around_a_value(
    value: str, before: bytes, after: bytes
) -> None:
    whole = base64.b64encode(before + value.encode() + after).decode()

    assert any(one in whole for one in spellings(value))
    assert any(one in whole.translate(str.maketrans("+/", "-_")) for one in spellings(value))


@given(VALUES)
def test_every_program_writes_one_of_the_spellings(value: str) -> None:
    written = [
        value,
        json.dumps(value)[1:-1],
        json.dumps(value, ensure_ascii=False)[1:-1],
        json.dumps(json.dumps(value))[3:-3],
        json.dumps(json.dumps(value, ensure_ascii=False), ensure_ascii=False)[3:-3],
        quote(value, safe=""),
        quote_plus(value),
        value.encode().hex(),
    ]

    known = spellings(value)

    assert all(one in known for one in written)
    assert any(one in shlex.quote(value).replace("'\"'\"'", "'\\''") for one in known)
