# SPDX-License-Identifier: Apache-2.0
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from node0.finetune.corpus.scrub.readings.byte_text import begins_as_text, read_bytes, write_bytes

TEXT = "the key of the harbor, größer: ключ"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "utf-16-be"])
def test_text_is_read_in_its_encoding(encoding: str) -> None:
    text = TEXT if encoding == "utf-8" else "the key of the harbor"

    assert read_bytes(text.encode(encoding)) == (text, encoding)


@given(st.binary(max_size=80))
@example("\uf780".encode())
@example(b"\x80" + "\uf7ff".encode() + b"\xef\x9f")
@example("the key \uf7ff of it".encode("utf-16-le"))
@example("the key \udcff of it".encode("utf-16-be", "surrogatepass"))
def test_what_is_read_leads_back_to_the_same_bytes(data: bytes) -> None:
    content = read_bytes(data, any_content=True)

    assert content
    assert write_bytes(*content) == data


def test_what_is_no_text_is_not_read() -> None:
    assert read_bytes(bytes(range(128, 200))) is None
    assert read_bytes(bytes(range(1, 31))) is None


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Co", "Cn"]), min_size=8))
def test_the_first_bytes_of_any_text_begin_as_text(text: str) -> None:
    data = text.encode()

    assert all(begins_as_text(data[:size]) for size in (8, 12, 16))
