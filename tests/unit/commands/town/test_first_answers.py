# SPDX-License-Identifier: Apache-2.0
from pathlib import Path
from typing import Any

import pytest

from node0 import console
from node0.commands.town.first_answers import chosen
from node0.errors import ConfigError, NotFound
from node0.finetune.gastown.own_settings import OwnSettings

NOTHING: dict[str, Any] = {"base_model": None, "roles": None, "claude_hook": None, "timer": None}


@pytest.fixture
def base(tmp_path: Path) -> Path:
    (tmp_path / "config.json").write_text("{}")
    return tmp_path


@pytest.fixture
def questions(monkeypatch: pytest.MonkeyPatch, base: Path) -> list[str]:
    """A person who answers; what was asked."""
    asked: list[str] = []

    def ask(question: str, *, default: str) -> str:
        asked.append(question.split()[0])
        return str(base) if question.startswith("Base") else "deacon, crew"

    monkeypatch.setattr(console, "can_ask", lambda: True)
    monkeypatch.setattr(console, "ask", ask)
    return asked


def test_the_first_time_a_person_is_asked(questions: list[str], base: Path) -> None:
    found = chosen(NOTHING, None, ask=True, known_base="")

    assert questions == ["Base", "Roles"]
    assert found == OwnSettings(base_model=str(base), roles=["deacon", "crew"], claude_trust=True)


def test_what_a_flag_says_is_not_asked(questions: list[str], base: Path) -> None:
    found = chosen({**NOTHING, "roles": ["witness"]}, None, ask=True, known_base="")

    assert questions == ["Base"] and found.roles == ["witness"]


def test_nobody_is_asked_twice(questions: list[str], base: Path) -> None:
    before = OwnSettings(base_model=str(base), roles=["dog"], timer=False)

    assert chosen(NOTHING, before, ask=True, known_base="") == before
    assert chosen({**NOTHING, "timer": True}, before, ask=True, known_base="").timer
    assert questions == []


def test_without_a_person_the_missing_flags_are_named() -> None:
    with pytest.raises(ConfigError, match="give --base-model and --role, or --yes"):
        chosen(NOTHING, None, ask=True, known_base="")


def test_yes_takes_the_base_that_is_known_and_the_first_roles(base: Path) -> None:
    found = chosen(NOTHING, None, ask=False, known_base=str(base))

    assert (found.base_model, found.roles) == (str(base), ["deacon", "witness", "polecat"])


def test_roles_may_stand_between_commas_and_count_once(base: Path) -> None:
    found = chosen({**NOTHING, "roles": ["deacon,dog", "dog"]}, None, ask=False, known_base="")

    assert found.roles == ["deacon", "dog"]


@pytest.mark.parametrize("name", ["org/model-1.5B", ""])
def test_a_hub_id_and_no_base_are_kept_as_they_are(name: str) -> None:
    assert chosen({**NOTHING, "base_model": name}, None, ask=False, known_base="").base_model == name


def test_a_directory_is_kept_by_its_whole_path(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(base.parent)

    found = chosen({**NOTHING, "base_model": base.name}, None, ask=False, known_base="")

    assert found.base_model == str(base)


def test_what_is_no_base_and_no_role_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="neither a hub id nor a directory"):
        chosen({**NOTHING, "base_model": str(tmp_path)}, None, ask=False, known_base="")
    with pytest.raises(NotFound, match="deacn"):
        chosen({**NOTHING, "roles": ["deacn"]}, None, ask=False, known_base="")


def test_a_town_that_was_set_up_before_trusts_nothing_new_by_itself() -> None:
    before = OwnSettings(roles=["deacon"])

    assert not chosen(NOTHING, before, ask=False, known_base="").claude_trust
    assert chosen(NOTHING | {"claude_trust": True}, before, ask=False, known_base="").claude_trust
