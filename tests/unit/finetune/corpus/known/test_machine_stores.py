# SPDX-License-Identifier: Apache-2.0
import json
import os
from pathlib import Path

import pytest

from node0.finetune.corpus.known import machine_stores
from node0.finetune.corpus.known.machine_stores import stores_of
from node0.finetune.corpus.town.harness_homes import HARNESS_HOMES
from node0.town import Town


def write(path: Path, text: str = "a=b") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_stores_of_home_configuration_environment_and_town_are_read_once_each(tmp_path: Path) -> None:
    home, town = tmp_path / "home", Town(tmp_path / "gt")
    for name in (".netrc", ".ssh/id_one", ".aws/sso/cache/a.json", "else/gh/hosts.yml", "named.json"):
        write(home / name, name)
    for name in (".env", "rig/.env.local", "rig/mayor/rig/deploy.env", "rig/polecats/toast/.npmrc"):
        write(town.root / name, name)
    (home / "link").symlink_to(home / ".netrc")
    variables = {
        "XDG_CONFIG_HOME": str(home / "else"),
        "GOOGLE_APPLICATION_CREDENTIALS": str(home / "named.json"),
        "NETRC": str(home / "link"),
    }

    found = [store.text for store in stores_of(home, variables, town)]

    assert sorted(found) == sorted(
        [
            *(".netrc", ".ssh/id_one", ".aws/sso/cache/a.json", "else/gh/hosts.yml", "named.json"),
            *(".env", "rig/.env.local", "rig/mayor/rig/deploy.env", "rig/polecats/toast/.npmrc"),
        ]
    )


@pytest.mark.parametrize(
    ("variable", "inside", "usual"),
    [place for places in HARNESS_HOMES.values() for place in places],
)
def test_what_a_harness_signs_in_with_is_known_wherever_its_sessions_are_found(
    tmp_path: Path, variable: str, inside: str, usual: str
) -> None:
    """In its usual place, where the environment moves it, and where an agent's entry does."""
    home, town = tmp_path / "home", Town(tmp_path / "gt")
    agents = {"a": {"env": {variable: str(tmp_path / "agent")}}}
    write(town.settings_file, json.dumps({"agents": agents}))
    for place in (home / usual, tmp_path / "moved" / inside, tmp_path / "agent" / inside):
        write(place / "auth.json", place.as_posix())

    found = [store.text for store in stores_of(home, {variable: str(tmp_path / "moved")}, town)]

    assert found == [(place / inside).as_posix() for place in (tmp_path / "moved", tmp_path / "agent")] + [
        (home / usual).as_posix()
    ]


def test_examples_packages_and_what_lies_too_deep_are_passed_over(tmp_path: Path) -> None:
    town = Town(tmp_path / "gt")
    for name in (".env.example", "rig/node_modules/a/.env", "rig/.git/.env", "a/b/c/d/e/f/.env"):
        write(town.root / name)

    assert list(stores_of(tmp_path / "home", {}, town)) == []


def test_a_pipe_a_large_file_and_one_that_cannot_be_read_are_no_stores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine_stores, "MOST_BYTES", 10)
    os.mkfifo(tmp_path / ".netrc")
    write(tmp_path / ".npmrc", "a=" + "b" * 10)
    write(tmp_path / ".pypirc", "a=b")
    (tmp_path / ".pgpass").mkdir()

    assert [store.name for store in stores_of(tmp_path, {}, None)] == [".pypirc"]
