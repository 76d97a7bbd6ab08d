# SPDX-License-Identifier: Apache-2.0
from typing import Any

import pytest

from node0.finetune.corpus.transcript.claude_code.log_hash import log_hash, message_hash, without_cache_marks

TEXT = {"type": "text", "text": "größer 🏭"}


def test_a_plain_string_counts_as_one_text_block() -> None:
    assert message_hash({"role": "user", "content": TEXT["text"]}) == message_hash(
        {"role": "user", "content": [TEXT]}
    )


def test_the_hash_is_the_logs_own() -> None:
    # sha256 of {"content":[{"text":"hi","type":"text"}],"role":"user"}
    expected = "da3ac0b4d79dbe28c3c6684e1e4d037992df0e519e410c56436a23ecadf5c3c1"

    assert message_hash({"role": "user", "content": "hi", "id": "not hashed"}) == expected


@pytest.mark.parametrize("other", [{"role": "assistant"}, {"content": "größer"}, {"content": [TEXT, TEXT]}])
def test_role_and_content_make_the_hash(other: dict[str, Any]) -> None:
    message = {"role": "user", "content": [TEXT]}

    assert message_hash({**message, **other}) != message_hash(message)


def test_cache_marks_and_the_order_of_keys_do_not_count() -> None:
    marked = [{"cache_control": {"type": "ephemeral"}, "b": [{"cache_control": 1, "c": 2}], "a": None}]

    assert without_cache_marks(marked) == [{"b": [{"c": 2}], "a": None}]
    assert log_hash(marked) == log_hash([{"a": None, "b": [{"c": 2}]}])


def test_a_lone_surrogate_has_a_hash() -> None:
    assert log_hash("\ud83d") != log_hash("\ufffd")
