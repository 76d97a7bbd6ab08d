# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest

from node0.errors import ConfigError
from node0.finetune.corpus.town_secret import read_town_secret


def test_a_secret_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "models" / "scrub.key"

    secret = read_town_secret(path, to="begin anew")

    assert len(secret) == 64
    assert read_town_secret(path, to="begin anew") == secret
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize(("content", "mode"), [("a" * 64, 0o644), ("short", 0o600)])
def test_a_secret_that_others_know_or_that_is_none_is_refused(
    tmp_path: Path, content: str, mode: int
) -> None:
    path = tmp_path / "scrub.key"
    path.write_text(content)
    path.chmod(mode)

    with pytest.raises(ConfigError, match="delete it to begin anew"):
        read_town_secret(path, to="begin anew")
