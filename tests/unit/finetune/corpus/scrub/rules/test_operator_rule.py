# SPDX-License-Identifier: Apache-2.0
import re
from dataclasses import replace

import pytest

from node0.errors import ConfigError
from node0.finetune.corpus.scrub.finding import Tier
from node0.finetune.corpus.scrub.rules.operator_rule import operator_rule
from node0.finetune.corpus.scrubber import CorpusScrubber


def test_a_rule_of_the_town_may_redact_or_ask() -> None:
    goes = operator_rule("harbor", r"hy_(?P<secret>[a-z0-9]{8})", tier=Tier.REDACT, keywords=["HY_"])
    asks = operator_rule("berth", r"berth \d{4}", tier=Tier.QUARANTINE)
    scrubber = CorpusScrubber(rules=[goes, asks], voters=())

    assert scrubber.scrub("hy_a1b2c3d4 at berth 4711") == (
        "hy_[REDACTED:harbor] at berth 4711",
        ["redact: harbor", "quarantine: berth"],
    )
    assert scrubber.version != CorpusScrubber(rules=[goes], voters=()).version


@pytest.mark.parametrize("pattern", ["(", "x*"])
def test_a_pattern_that_cannot_be_one_is_refused(pattern: str) -> None:
    with pytest.raises(ConfigError, match="'harbor'"):
        operator_rule("harbor", pattern, tier=Tier.REDACT)


def test_a_pattern_is_tried_only_in_a_text_that_holds_a_keyword() -> None:
    rule = operator_rule("berth", r"\d{4}", tier=Tier.REDACT, keywords=["Berth"])

    assert [found.start for found in rule.findings("BERTH 4711")] == [6]
    assert list(rule.findings("quay 4711")) == []


def test_what_stands_for_a_value_is_no_finding() -> None:
    rule = operator_rule("berth", r"berth=(?P<secret>\S+)", tier=Tier.REDACT)

    assert list(rule.findings("berth=${BERTH}")) == []


@pytest.mark.parametrize("pattern", [r"(h+)+$", "(h|hh)+!", r"(h|hh)+y{3}"])
def test_a_pattern_that_backtracks_without_end_is_refused_by_the_name_of_its_rule(pattern: str) -> None:
    scrubber = CorpusScrubber(rules=[operator_rule("harbor", pattern, tier=Tier.REDACT)], voters=())

    with pytest.raises(ConfigError, match="scrub rule 'harbor' takes too long on a text of 61 characters"):
        scrubber.scrub("h" * 60 + "?")


def test_an_exception_that_backtracks_without_end_is_refused_too() -> None:
    rule = replace(operator_rule("harbor", r"\w+[?]", tier=Tier.REDACT), allowed=(re.compile(r"(\w+)+$"),))

    with pytest.raises(ConfigError, match="takes too long"):
        list(rule.findings("h4bQx9Zt" * 8 + "?"))
