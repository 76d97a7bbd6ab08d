# SPDX-License-Identifier: Apache-2.0
import pytest
from pydantic import BaseModel, Field, ValidationError

from node0.errors import NotFound
from node0.finetune.role import EVERY_ROLE, KNOWN_ROLES, ROLE_PATTERN, is_role_name, require_known_role

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


def test_a_role_that_nobody_has_is_refused_with_the_nearest() -> None:
    require_known_role("deacon")
    require_known_role("night-watch", ["night-watch"])

    with pytest.raises(NotFound, match=r"no role 'decon'; did you mean 'deacon'\?"):
        require_known_role("decon")
    with pytest.raises(NotFound, match="no role 'night-watch'; known: boot, crew, "):
        require_known_role("night-watch")
