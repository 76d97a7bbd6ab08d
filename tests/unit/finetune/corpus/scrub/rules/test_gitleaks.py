# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest

from node0.errors import ConfigError, NotFound
from node0.finetune.corpus.scrub.rules.gitleaks import gitleaks_rules
from node0.finetune.corpus.scrubber import CorpusScrubber

GITLEAKS = r"""
title = "ours"
[extend]
disabledRules = ["switched-off"]
[[allowlists]]
regexes = ['''KNOWN''']
[[rules]]
id = "Harbor_Token"
regex = '''(?i)harbor.{0,9}\b(hy_[a-z0-9]{20})(?:[\x60'"\s;]|\\[nr]|\z)'''
entropy = 3
keywords = ["HY_"]
[[rules.allowlists]]
regexes = ['''EXAMPLE$''']
stopwords = ["dummyword"]
[[rules]]
id = "inner-flag"
regex = '''yard-(?i)[a-f]{12}'''
[[rules]]
id = "inner-group"
regex = '''\b(p8e-(?i)[a-z]{8}|q9[(|]-(?i)[a-z]{8})(?:[\s;]|\z)'''
[[rules]]
id = "switched-off"
regex = '''qqqq[0-9]{8}'''
[[rules]]
id = "only-a-path"
path = '''\.pem$'''
"""


@pytest.fixture
def scrubber(tmp_path: Path) -> CorpusScrubber:
    path = tmp_path / "gitleaks.toml"
    path.write_text(GITLEAKS)
    return CorpusScrubber(rules=gitleaks_rules(path), voters=())


def test_rules_of_a_gitleaks_file_take_their_secret_group(scrubber: CorpusScrubber) -> None:
    text = "Harbor: hy_q8w7e6r5t4y3u2i1o0p9 and yard-ABCDEFabcdef and qqqq12345678"

    assert (
        scrubber.scrub(text)[0]
        == "Harbor: [REDACTED:harbor-token] and [REDACTED:inner-flag] and qqqq12345678"
    )


@pytest.mark.parametrize(
    "token",
    [
        "hy_aaaaaaaaaaaaaaaaaaaa",
        "hy_q8w7e6r5dummyword123",
        "hy_q8w7e6r5t4y3uEXAMPLE",
        "hy_q8w7e6KNOWNu2i1o0p9",
    ],
)
def test_what_a_gitleaks_file_allows_stays(scrubber: CorpusScrubber, token: str) -> None:
    assert scrubber.scrub(f"harbor {token}")[0] == f"harbor {token}"


def test_a_flag_in_a_group_holds_to_the_end_of_that_group(scrubber: CorpusScrubber) -> None:
    text = "p8e-ABcdEFgh q9|-ABcdEFgh P8E-abcdefgh"

    assert scrubber.scrub(text)[0] == "[REDACTED:inner-group] [REDACTED:inner-group] P8E-abcdefgh"


def test_a_rule_file_that_cannot_be_used_is_refused_by_name(tmp_path: Path) -> None:
    bad = tmp_path / "bad.toml"
    bad.write_text("[[rules]]\nid = 'torn'\nregex = '''(x'''\n")
    broken = tmp_path / "broken.toml"
    broken.write_text("[[rules")

    with pytest.raises(ConfigError, match="'torn'"):
        gitleaks_rules(bad)
    with pytest.raises(ConfigError, match="not TOML"):
        gitleaks_rules(broken)
    with pytest.raises(NotFound, match=r"scrub\.gitleaks"):
        gitleaks_rules(tmp_path / "none.toml")


@pytest.mark.parametrize("pattern", [")", "a)b", "(?i)a)))", "((a)", "a|)", "(" * 5000])
def test_parentheses_that_do_not_match_are_refused_by_the_rules_name(tmp_path: Path, pattern: str) -> None:
    (tmp_path / "x.toml").write_text(f"[[rules]]\nid = 'quay'\nregex = '{pattern}'\n")

    with pytest.raises(ConfigError, match="rule 'quay'"):
        gitleaks_rules(tmp_path / "x.toml")


@pytest.mark.parametrize("entropy", ["1" + "0" * 400, "inf", "nan", "-1", "'much'", "[]", "true"])
def test_an_entropy_that_no_text_has_lets_every_match_count(tmp_path: Path, entropy: str) -> None:
    file = tmp_path / "rules.toml"
    file.write_text(f"[[rules]]\nid = 'k'\nregex = 'key=([a-z]{{8,}})'\nentropy = {entropy}\n")

    (rule,) = gitleaks_rules(file)

    assert list(rule.findings("key=abcdefgh"))
