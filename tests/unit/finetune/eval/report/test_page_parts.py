# SPDX-License-Identifier: Apache-2.0
from node0.finetune.eval.report.page_parts import bar, table, tag, trials, words

SCORE = {"score": 0.5, "low": 0.25, "high": 0.75, "verdict": "inconclusive"}


def test_words_and_attributes_are_escaped() -> None:
    assert words("<b>&'\"") == "&lt;b&gt;&amp;&#x27;&quot;"
    assert tag("p", words("<"), title='"><script>') == '<p title="&quot;&gt;&lt;script&gt;">&lt;</p>'


def test_a_bar_is_as_long_as_its_score_and_as_wide_as_its_bounds() -> None:
    made = bar("git", SCORE, mark=0.6)

    assert 'style="width:50.0%"' in made
    assert 'style="left:25.0%;width:50.0%"' in made
    assert 'style="left:60.0%"' in made
    assert "50.0% [25.0% to 75.0%]" in made


def test_a_table_has_a_head_and_a_row_for_each_record() -> None:
    made = table([{"name": "a", "share": 0.123456}, {"name": "b", "share": 1.0}])

    assert made.count("<tr>") == 3
    assert '<td class="number">0.123</td>' in made
    assert table([]) == ""


def test_a_trial_without_an_answer_says_so() -> None:
    check = {"check": "says", "passed": False, "reason": "lacks 'x'"}

    made = trials([{"epoch": 1, "passed": False, "checks": [check], "answers": [""]}])

    assert "(nothing)" in made
    assert "trial 2" in made
    assert "says: lacks &#x27;x&#x27;" in made
