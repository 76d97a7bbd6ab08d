# SPDX-License-Identifier: Apache-2.0
from hypothesis import given
from hypothesis import strategies as st

from node0.finetune.rag.chunks import LONGEST_HEAD, SIZE, chunked, formula_text

WORKFLOW = """
formula = "mol-harbor-check"
description = "Look after the harbor."
type = "workflow"
version = 1
[vars.role]
description = "role to train"
required = true
[vars]
speed = "slow"
[[steps]]
id = "look"
title = "Look around"
description = "Run `gt status`."
[[steps]]
id = "tell"
needs = ["look"]
description = "Say what is wrong."
acceptance = "Somebody knows."
"""
CONVOY = """
formula = "review-legs"
type = "convoy"
[[legs]]
id = "safety"
title = "Safety"
focus = "what can break"
description = "Read it twice."
[synthesis]
title = "Put together"
depends_on = ["safety"]
description = "One page."
"""


@given(st.text(alphabet="ab .\n#", max_size=4 * SIZE))
def test_no_word_is_lost_and_no_piece_is_too_long(text: str) -> None:
    pieces = chunked(text, head="bead gt-a")

    bodies = [piece.partition("\n")[2] for piece in pieces]
    assert "".join("".join(bodies).split()) == "".join(text.split())
    assert all(len(body) <= SIZE for body in bodies)
    assert all(piece.startswith("bead gt-a") for piece in pieces)


def test_a_text_is_cut_at_paragraphs_before_lines_and_at_words_before_letters() -> None:
    paragraph = "one line of a paragraph that is long enough to matter here\n" * 8
    whole = f"{paragraph}\n{paragraph}\n{paragraph}"

    bodies = [piece.partition("\n")[2] for piece in chunked(whole, head="x")]
    words = chunked("word " * SIZE, head="x")

    assert bodies == [paragraph.strip()] * 3
    assert all(set(piece.partition("\n")[2].split()) == {"word"} for piece in words)


def test_an_empty_text_is_found_by_its_name_and_a_long_name_is_cut() -> None:
    assert chunked(" \n", head="bead gt-a") == ["bead gt-a"]
    assert chunked("text", head="n\n" * 500) == [f"{('n ' * 500)[:LONGEST_HEAD]}\ntext"]


def test_a_formula_is_its_description_its_variables_and_its_steps() -> None:
    name, text = formula_text(WORKFLOW) or ("", "")

    assert name == "mol-harbor-check"
    assert text.splitlines() == [
        "Formula: mol-harbor-check",
        "Look after the harbor.",
        "Variable role: role to train",
        "Variable speed: slow",
        "Steps:",
        "",
        "Step look Look around:",
        "Run `gt status`.",
        "",
        "Step tell:",
        "Say what is wrong.",
        "Somebody knows.",
    ]


def test_legs_and_synthesis_are_steps_and_the_form_of_the_plan_is_read_too() -> None:
    _, convoy = formula_text(CONVOY) or ("", "")
    planned = formula_text('[formula]\nname = "mol-x"\ndescription = "Do it."\n')

    assert "Step safety Safety:\nwhat can break\nRead it twice." in convoy
    assert convoy.endswith("Step synthesis Put together:\nOne page.")
    assert planned == ("mol-x", "Formula: mol-x\nDo it.")


def test_what_is_no_toml_is_no_formula_and_odd_fields_are_passed_over() -> None:
    assert formula_text("this = [is broken") is None
    assert formula_text('formula = "odd"\nsteps = "none"\nvars = 3\nsynthesis = []') == (
        "odd",
        "Formula: odd",
    )
