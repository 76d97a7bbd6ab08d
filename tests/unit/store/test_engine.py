# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest

from node0.errors import ConfigError
from node0.store.engine import open_store
from node0.store.sqlite_store import SqliteStore


@pytest.mark.parametrize(
    "place", ["mysql://host/models", "sqlite://", "postgresql://host/db", "mysql+pymysql://h"]
)
def test_an_unsupported_place_is_refused_with_the_kinds_there_are(place: str) -> None:
    with pytest.raises(ConfigError, match=r"sqlite:///FILE, or mysql\+pymysql"):
        open_store(place)


@pytest.mark.parametrize("place", ["mysql://node0:hunter2@host/models", "mysql+pymysql://node0:hunter2@:x/y"])
def test_a_refusal_does_not_show_a_password(place: str) -> None:
    with pytest.raises(ConfigError) as caught:
        open_store(place)

    assert "hunter2" not in str(caught.value)


def test_a_path_and_a_url_open_the_same_file(tmp_path: Path) -> None:
    by_path, by_url = open_store(tmp_path / "s.sqlite"), open_store(f"sqlite:///{tmp_path}/s.sqlite")

    assert isinstance(by_url, SqliteStore)
    assert by_path.where == by_url.where == str(tmp_path / "s.sqlite")
