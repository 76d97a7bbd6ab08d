# SPDX-License-Identifier: Apache-2.0
import base64
import hashlib

from hypothesis import given
from hypothesis import strategies as st

from node0.finetune.corpus.scrub.readings.reading_table import text_blobs

WORDS = "the key of the harbor is under the mat"
CODED = base64.b64encode(WORDS.encode()).decode()


def test_text_is_decoded_and_its_place_is_that_of_the_code() -> None:
    text = f"data: {CODED} end"

    (blob,) = text_blobs(text)

    assert blob.text == WORDS
    assert text[blob.start : blob.end] == CODED


def test_code_without_padding_and_with_the_signs_of_urls_is_read_too() -> None:
    words = "ask? yes~~ ask? yes~~ ask?>>"
    coded = base64.urlsafe_b64encode(words.encode()).decode().rstrip("=")

    assert [blob.text for blob in text_blobs(f"x={coded}")] == [words]


def test_what_is_glued_before_the_code_does_not_hide_it() -> None:
    assert any(WORDS[8:] in blob.text for blob in text_blobs(f"a/{CODED}"))


def test_digests_images_and_short_words_hold_no_text() -> None:
    image = base64.b64encode(bytes.fromhex("89504e470d0a1a0a0000000d49484452") * 4).decode()
    digest = hashlib.sha256(b"x").hexdigest()

    assert list(text_blobs(f"{image} {digest} {CODED[:20]}")) == []


@given(st.text(alphabet="abcXYZ019+/_-=\n ", max_size=200))
def test_any_text_is_searched_and_places_lie_inside_it(text: str) -> None:
    assert all(0 <= blob.start < blob.end <= len(text) for blob in text_blobs(text))


@given(st.text(alphabet="abcdefgh ", min_size=30, max_size=120))
def test_every_encoded_sentence_comes_back(words: str) -> None:
    coded = base64.b64encode(words.encode()).decode()

    assert [blob.text for blob in text_blobs(f"({coded})")] == [words]
