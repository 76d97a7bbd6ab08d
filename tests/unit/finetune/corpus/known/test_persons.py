# SPDX-License-Identifier: Apache-2.0
import json
from pathlib import Path

import pytest

from node0.finetune.corpus.known.persons import overseer_names, persons_of
from node0.town import Town


def overseer(root: Path, **facts: object) -> dict[str, tuple[str, str]]:
    """Kind and name by spelling."""
    (root / "mayor").mkdir(exist_ok=True)
    (root / "mayor" / "overseer.json").write_text(json.dumps(facts))
    return {known.spelling: (known.kind, known.name) for known in persons_of(Town(root))}


def test_every_spelling_of_a_person_has_one_name(tmp_path: Path) -> None:
    found = overseer(
        tmp_path, name="Quilla Marrowby", email="q@marrowby.net", username="qmarrow", source="git"
    )

    spelled = ("Quilla Marrowby", "QUILLA MARROWBY", "quilla.marrowby", "Quilla_Marrowby", "quillamarrowby")
    assert {found[one] for one in spelled} == {("name", "quilla marrowby")}
    assert found["q@marrowby.net"] == ("email", "q@marrowby.net")
    assert found["qmarrow"] == ("user", "qmarrow")


@pytest.mark.parametrize("name", ["ubuntu", "root", "human", "dev", "Q", "user"])
def test_an_account_of_nobody_is_nobody(tmp_path: Path, name: str) -> None:
    assert overseer(tmp_path, name=name, username=name) == {}


def test_a_file_that_says_nothing_names_nobody(tmp_path: Path) -> None:
    assert overseer(tmp_path, name=None, email=["a"]) == {}
    (tmp_path / "mayor" / "overseer.json").write_text("[")
    assert list(persons_of(Town(tmp_path))) == []


def test_a_name_alone_and_the_usual_handles_call_the_overseer_too(tmp_path: Path) -> None:
    overseer(tmp_path, name="Quilla Marrowby", email="q.marrow@saltmarsh.net", username="root")

    found = overseer_names(Town(tmp_path))

    assert found == {
        *("Quilla Marrowby", "Quilla", "Marrowby", "qmarrowby", "quillam", "marrowbyq"),
        *("q.marrow@saltmarsh.net", "q.marrow", "marrow"),
    }
