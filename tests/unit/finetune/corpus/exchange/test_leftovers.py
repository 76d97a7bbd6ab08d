# SPDX-License-Identifier: Apache-2.0
from hypothesis import given
from hypothesis import strategies as st

from node0.finetune.corpus.exchange.leftovers import left_in

TEXTS = [
    "Ask Marten, who knows. The lamp is the one that marten looks after? No: Ingrid does; see @ingridk.",
    "Ingrid wrote to ingrid.k@harbor.example about build 7f3a9c1 and ticket OPS-4711 on 2026-01-05",
    "edit src/harbor/lamp.py and ./run, not [PATH_1]/notes or and/or; [NAME_1] of [BEAD_2] knows USER_3",
]


def test_a_reviewer_sees_names_ids_and_paths_that_are_left() -> None:
    left = left_in(TEXTS)

    assert {"Ingrid": 2, "@ingridk": 1, "ingrid.k@harbor.example": 1}.items() <= left["names"].items()
    assert {"7f3a9c1", "OPS-4711"} <= left["ids"].keys()
    assert {"src/harbor/lamp.py", "./run"} <= left["paths"].keys()


def test_what_stands_in_small_letters_too_is_a_word_and_placeholders_are_ours() -> None:
    left = left_in(TEXTS)

    assert "Marten" not in left["names"]
    assert not [one for found in left.values() for one in found if "_1" in one or "_2" in one or "_3" in one]


def test_what_stands_often_is_shown_first() -> None:
    assert list(left_in(["Zoe. Zoe. Ada."])["names"].items()) == [("Zoe", 2), ("Ada", 1)]


@given(st.text(alphabet="aA1/-@._~ \n", max_size=300))
def test_no_text_is_too_odd(text: str) -> None:
    left = left_in([text])

    assert all(one in text for found in left.values() for one in found)
