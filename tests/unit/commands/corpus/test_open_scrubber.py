# SPDX-License-Identifier: Apache-2.0
import json
from pathlib import Path

from node0 import run_corpus
from node0.commands.corpus.open_scrubber import make_scrubber
from node0.town import Town


def test_words_of_the_operator_go_and_others_stay() -> None:
    scrubbed, found = make_scrubber(["zeppelin"]).scrub("the zeppelin lands")

    assert "zeppelin" not in scrubbed
    assert scrubbed.endswith(" lands")
    assert len(found) == 1


def test_what_was_accepted_in_review_is_not_doubted_again(town_root: Path) -> None:
    turns = [{"role": "user", "content": 'password: "dolphinswim"'}, {"role": "assistant", "content": "no"}]
    (town_root / "in.jsonl").write_text(json.dumps({"id": "one", "role": "mayor", "messages": turns}))
    place = ["--town", str(town_root)]
    assert run_corpus.main(["add", str(town_root / "in.jsonl"), *place]) == 0
    before = make_scrubber((), town=Town(town_root)).findings('password: "dolphinswim"')

    assert run_corpus.main(["review", "accept", "one", *place]) == 0

    assert before != []
    after = make_scrubber((), town=Town(town_root)).findings('password: "dolphinswim"')
    assert [one.tier for one in after] != [one.tier for one in before]
