# SPDX-License-Identifier: Apache-2.0
from eval_items import bash, said

from node0.finetune.eval.suite.evidence import Evidence, NoPlace


def test_commands_of_all_turns_and_words_of_the_last_are_evidence() -> None:
    evidence = Evidence("crew", [bash("bd ready"), bash("bd show gt-1"), said("done")])

    assert evidence.commands == ["bd ready", "bd show gt-1"]
    assert evidence.words == "done"


def test_no_answer_is_evidence_of_nothing() -> None:
    evidence = Evidence("crew", [])

    assert (evidence.words, evidence.commands, list(evidence.answer)) == ("", [], [])


def test_a_place_that_runs_nothing_says_so() -> None:
    place = NoPlace()

    assert place.run("true").exit_code == 127
    assert not place.write("a", "b")
    assert place.read("a") is None
