# SPDX-License-Identifier: Apache-2.0
import pytest

from node0.finetune.corpus.town.actors import role_and_rig, task_of
from node0.finetune.role import KNOWN_ROLES, is_role_name


@pytest.mark.parametrize(
    ("actor", "expected"),
    [
        ("mayor", ("mayor", "hq")),
        ("deacon", ("deacon", "hq")),
        ("deacon/boot", ("boot", "hq")),
        ("deacon/dogs/rex", ("dog", "hq")),
        ("demo/witness", ("witness", "demo")),
        ("demo/refinery", ("refinery", "demo")),
        ("demo/polecats/toast", ("polecat", "demo")),
        ("demo/crew/ann", ("crew", "demo")),
        ("somebody", ("somebody", "hq")),
        ("", ("unknown", "hq")),
    ],
)
def test_role_and_rig_follow_from_the_actors_name(actor: str, expected: tuple[str, str]) -> None:
    assert role_and_rig(actor) == expected


@pytest.mark.parametrize("actor", ["demo/Über Mensch!", "1/2/3x", "--", "demo/" + "x" * 80, "a/../b"])
def test_whatever_an_actor_is_called_its_role_is_a_role_name(actor: str) -> None:
    assert is_role_name(role_and_rig(actor)[0])


def test_every_known_role_has_a_task_and_another_one_has_sessions() -> None:
    assert {task_of(role) for role in KNOWN_ROLES} == {"bead_work", "coordination", "maintenance", "patrol"}
    assert task_of("somebody") == "session"
