# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest

from node0.errors import ConfigError, StoreUnavailable
from node0.store.town_store import open_town_store, place_of
from node0.town import Town


@pytest.fixture
def town(tmp_path: Path) -> Town:
    (tmp_path / ".models").mkdir()
    return Town(tmp_path)


def test_a_town_without_a_setting_uses_its_file(town: Town) -> None:
    assert place_of(town) == open_town_store(town).where == str(town.store_file)


def test_a_town_may_name_another_place(town: Town, tmp_path: Path) -> None:
    town.model_settings_file.write_text(f"store:\n  url: sqlite:///{tmp_path}/elsewhere.sqlite\n")

    open_town_store(town)

    assert (tmp_path / "elsewhere.sqlite").is_file()
    assert not town.store_file.exists()


def test_a_server_of_its_own_that_does_not_run_is_unavailable(town: Town) -> None:
    town.model_settings_file.write_text("store: {url: dolt}\n")

    with pytest.raises(StoreUnavailable, match="node0 store dolt start"):
        open_town_store(town)


def test_an_unknown_key_is_refused_with_the_nearest(town: Town) -> None:
    town.model_settings_file.write_text("store: {ulr: dolt}\n")

    with pytest.raises(ConfigError, match="url"):
        place_of(town)


def test_the_store_and_its_log_are_for_their_owner_alone(tmp_path: Path) -> None:
    town = Town(tmp_path)
    town.models.mkdir(mode=0o755)
    store = open_town_store(town)

    with store.write("test"):
        modes = {path.name: path.stat().st_mode & 0o777 for path in town.models.iterdir()}

    assert modes.pop("store.sqlite-wal") == 0o600
    assert set(modes.values()) == {0o600}
    assert town.models.stat().st_mode & 0o777 == 0o700
