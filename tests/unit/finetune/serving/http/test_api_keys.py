# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest

from node0.errors import ConfigError
from node0.finetune.serving.http.api_keys import ApiKey, read_keys

TOKEN = "0123456789abcdef"


def test_keys_are_read_one_a_line_with_names_and_grants_beside_the_file(tmp_path: Path) -> None:
    path = tmp_path / "tokens"
    path.write_text(f"{TOKEN}\n\n  {TOKEN}2 witness\n{TOKEN}3\tdeacon  rigs/d.json\n")
    path.chmod(0o600)

    assert read_keys(path) == [
        ApiKey(TOKEN, "key1"),
        ApiKey(f"{TOKEN}2", "witness"),
        ApiKey(f"{TOKEN}3", "deacon", tmp_path / "rigs" / "d.json"),
    ]
    assert TOKEN not in repr(read_keys(path))


@pytest.mark.parametrize(
    ("text", "mode", "message"),
    [
        (TOKEN, 0o644, "chmod 600"),
        ("", 0o600, "one token a line"),
        ("short\n", 0o600, "line 1 begins with no token of 16 characters"),
        (f"{TOKEN}\n# a comment\n", 0o600, "line 2 begins with no token of 16 characters"),
        (f"{TOKEN}é", 0o600, "no header can carry"),
        (f"{TOKEN} a b c", 0o600, "line 1 has more than TOKEN NAME FILE"),
        (f"{TOKEN} a\n{TOKEN}2 a", 0o600, "two keys one name"),
    ],
)
def test_a_file_that_gives_no_safe_key_is_refused(tmp_path: Path, text: str, mode: int, message: str) -> None:
    path = tmp_path / "tokens"
    path.write_text(text)
    path.chmod(mode)

    with pytest.raises(ConfigError, match=message):
        read_keys(path)


def test_a_file_of_tokens_that_is_absent_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot read tokens from .*nowhere"):
        read_keys(tmp_path / "nowhere")
