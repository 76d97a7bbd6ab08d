# SPDX-License-Identifier: Apache-2.0
import pytest

from node0.finetune.corpus.scrub.surrogates import Surrogates
from node0.finetune.corpus.scrub.text_scrubber import TextScrubber

SCRUBBER = TextScrubber(voters=(), surrogates=Surrogates(b"a town's key"))


@pytest.mark.parametrize(
    "text",
    [
        "fail: login-works-2\npass: login-works-3",
        "pass: login-works-3\nfail: login-works-2 after 3 tries",
        "pass: login-works-3\n  not ok reset.link-4",
        "skip: token-rotates-1\npass: login-works-3\nskip: token-rotates-2",
        "passed: src/auth/reset-password-7 ok",
        "xpass: word-7 (0.02s)",
    ],
)
def test_a_result_in_small_letters_names_a_test_beside_other_results(text: str) -> None:
    for line_break in ("\n", "\\n"):
        output = f"before\n{text}\nafter".replace("\n", line_break)

        assert SCRUBBER.scrub(output)[0] == output


@pytest.mark.parametrize("value", ["meadow-walnut-22", "willow-hollow-7"])
@pytest.mark.parametrize(
    "text",
    [
        "pass: {}",
        "pass: {}\nok",
        "pass: {}\n2 passed in 0.3 s",
        "the pass: {} ok",
        "user: bob\npass: {} ok",
        "pass: {} ok\nhost: db.internal",
        "login: bob\nskip: nothing\npass: {}",
        "pass: {} ok, says the door",
    ],
)
def test_words_behind_a_small_pass_go_where_nothing_says_that_tests_ran(text: str, value: str) -> None:
    assert value not in SCRUBBER.scrub(f"before\n{text.format(value)}\nafter")[0]


@pytest.mark.parametrize(
    "value", ["hunter2", "blue-Sky_88", "Tr0ub4dor&3", "harbor7-willow3", "wq7x-kv92-mz4j"]
)
@pytest.mark.parametrize("text", ["pass: {} ok", "pass: {} (0.2s)", "fail: word-7\npass: {}"])
def test_what_people_choose_goes_beside_results_too(text: str, value: str) -> None:
    assert value not in SCRUBBER.scrub(f"before\n{text.format(value)}\nafter")[0]
