# SPDX-License-Identifier: Apache-2.0
import pytest
from harmless_lines import HARMLESS, TEST_OUTPUT

from node0.finetune.corpus.scrub.rules.handed_over import is_odd
from node0.finetune.corpus.scrub.surrogates import Surrogates
from node0.finetune.corpus.scrub.text_scrubber import TextScrubber

SCRUBBER = TextScrubber(voters=(), surrogates=Surrogates(b"a town's key"))


@pytest.mark.parametrize("text", HARMLESS)
def test_what_only_talks_about_a_secret_stays(text: str) -> None:
    assert SCRUBBER.scrub(f"before\n{text}\nafter")[0] == f"before\n{text}\nafter"


@pytest.mark.parametrize("text", TEST_OUTPUT)
@pytest.mark.parametrize(
    "following",
    [
        "drwxr-xr-x 4 root root 414 Jan  5 06:17 sparrow-beacon",
        "x86_64-unknown-linux-gnu",
        "a1b2c3d..e5f6a7b  main -> main",
        "PASS: password-hollow-22",
    ],
)
def test_names_of_tests_stay_and_end_with_their_line(text: str, following: str) -> None:
    for line_break in ("\n", "\\n"):
        output = line_break.join(["ok", text, text.replace("-", "-x-"), following])

        assert SCRUBBER.scrub(output)[0] == output


@pytest.mark.parametrize(
    "text",
    [
        "USER bob\nPASS {}",
        "ftp> quote PASS {}",
        "DB_PASS: {}",
        "pass: {}",
        "ADMIN_PASS={}",
        "secret: {}",
    ],
)
def test_words_with_a_figure_go_where_no_test_passed(text: str) -> None:
    assert "meadow-walnut-22" not in SCRUBBER.scrub(f"before\n{text.format('meadow-walnut-22')}\nafter")[0]


@pytest.mark.parametrize(
    "value", ["hunter2", "Tr0ub4dor&3", "kX9#vLq!2", "blue-Sky_88", "Qm7zRt4wLp", "Sommer!Wind"]
)
def test_letters_beside_digits_or_signs_are_odd(value: str) -> None:
    assert is_odd(value)


@pytest.mark.parametrize(
    "value",
    ["required", "sha256", "4096", "10.5GB", "v1.2.3", "gt-abc12", "src/app.py", "a==b", "24h", "E12"],
)
def test_words_terms_figures_and_names_of_things_are_not_odd(value: str) -> None:
    assert not is_odd(value)
