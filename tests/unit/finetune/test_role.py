# SPDX-License-Identifier: Apache-2.0
import pytest
from pydantic import BaseModel, Field, ValidationError

from node0.finetune.role import EVERY_ROLE, KNOWN_ROLES, ROLE_PATTERN, is_role_name

NAMES = [*sorted(KNOWN_ROLES), EVERY_ROLE, "a", "night-watch_2", "a" * 32]
OTHERS = ["", "Mayor", "2nd", "-x", "a b", "a/b", "mayor\n", "\nmayor", "a" * 33, "bürge", "../mayor"]


class Held(BaseModel):
    role: str = Field(pattern=ROLE_PATTERN)


@pytest.mark.parametrize("name", NAMES)
def test_a_name_of_lower_case_letters_is_a_role(name: str) -> None:
    assert is_role_name(name)
    assert Held(role=name).role == name


@pytest.mark.parametrize("name", OTHERS)
def test_the_field_and_the_question_refuse_alike(name: str) -> None:
    assert not is_role_name(name)
    with pytest.raises(ValidationError):
        Held(role=name)
