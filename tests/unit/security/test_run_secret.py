# SPDX-License-Identifier: Apache-2.0
"""The secret of a run, and who it lets in."""

import asyncio
import time
from pathlib import Path

import pytest

from node0.errors import ConfigError, NotFound
from node0.security.run_secret import LIVES, RunSecretAuthorizer

SECRET = "0123456789abcdef0123456789abcdef"


def secret(path: Path, text: str = SECRET, mode: int = 0o600) -> str:
    path.write_text(text)
    path.chmod(mode)
    return str(path)


def test_a_token_is_good_for_those_with_the_same_secret_alone(tmp_path: Path) -> None:
    ours = RunSecretAuthorizer(secret(tmp_path / "ours"))
    copied = RunSecretAuthorizer(secret(tmp_path / "copied", f"{SECRET}\n"))
    other = RunSecretAuthorizer(secret(tmp_path / "other", SECRET[::-1]))

    token = asyncio.run(ours.get_token())

    assert copied.is_token_valid(token)
    assert not other.is_token_valid(token)
    assert not ours.does_token_need_refreshing(token)


def test_a_token_that_was_changed_or_is_old_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = RunSecretAuthorizer(secret(tmp_path / "ours"))
    token, changed, nonsense = (asyncio.run(ours.get_token()) for _ in range(3))
    changed.public_key += b"x"
    nonsense.expiration_time = "soon"

    assert not ours.is_token_valid(changed)
    assert not ours.is_token_valid(nonsense)
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + LIVES + 2)
    assert not ours.is_token_valid(token)
    assert ours.does_token_need_refreshing(token)


@pytest.mark.parametrize(
    ("text", "mode", "reason"), [(SECRET[1:], 0o600, "31 bytes"), (SECRET, 0o640, "chmod 600")]
)
def test_a_secret_that_is_none_is_refused(text: str, mode: int, reason: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=reason):
        RunSecretAuthorizer(secret(tmp_path / "secret", text, mode))


def test_a_secret_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no secret file"):
        RunSecretAuthorizer(str(tmp_path / "secret"))
