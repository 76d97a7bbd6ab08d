# SPDX-License-Identifier: Apache-2.0
import pytest
from hypothesis import given
from hypothesis import strategies as st

from node0.finetune.corpus.scrub.finding import Tier
from node0.finetune.corpus.scrub.rules.secret_values import (
    assigned_value_tier,
    entropy,
    is_example,
    looks_random,
    mixes_cases,
    stands_for_a_value,
)


@pytest.mark.parametrize(
    "value", ["$TOKEN", "${TOKEN}", "<token>", "os.environ['X']", "None", "%(pw)s", "~/key.pem"]
)
def test_a_reference_stands_for_a_value(value: str) -> None:
    assert stands_for_a_value(value)


@pytest.mark.parametrize("value", ["hunter2hunter2", "$6$abcdefgh", "aB3dE5gH7jK9"])
def test_a_value_stands_for_itself(value: str) -> None:
    assert not stands_for_a_value(value)


@pytest.mark.parametrize("value", ["AKIAIOSFODNN7EXAMPLE", "ghp_xxxxxxxxxxxx", "changeme", "aaaaaaaaaaaa"])
def test_an_example_is_nobodys(value: str) -> None:
    assert is_example(value)


def test_random_strings_mix_letters_and_digits_or_cases() -> None:
    assert looks_random("a8f3k2m9q1z7")
    assert not looks_random("refineryrefinery")
    assert mixes_cases("aBcDeFgHiJkLmNoPqRsTuVwXyZ")
    assert not mixes_cases("TheWitnessOfTheRefineryAndMore")


def test_entropy_is_that_of_shannon_in_bits() -> None:
    assert entropy("aaaa") == 0
    assert entropy("abcd") == 2
    assert entropy("aabb") == 1


@pytest.mark.parametrize(
    ("name", "value", "quoted", "tier"),
    [
        ("password", "hunter2hunter2", False, Tier.REDACT),
        ("password", "dolphinswim", True, Tier.QUARANTINE),
        ("password", "dolphinswim", False, None),
        ("api_token", "a8f3k2m9q1z7", False, Tier.REDACT),
        ("api_token", "ab-cd!efgh", True, Tier.CANDIDATE),
        ("api_token", "${TOKEN}", False, Tier.KEEP),
        ("max_tokens", "a8f3k2m9q1z7", False, None),
        ("token", "32000", False, None),
        ("token", "abc", True, None),
        ("password", "lila2lila", False, Tier.REDACT),
        ("password", "harbor(?)Wall9", True, Tier.REDACT),
        ("smtp_pw", "walnut22", False, Tier.REDACT),
        ("password", "Wachtwoord", True, None),
        ("passwordCell", "PasswordTableCell!", False, None),
        ("password", "SommerTag7!", False, Tier.REDACT),
        ("password", "vault::Store::open(path)", False, Tier.KEEP),
        ("secret", "&v1.KeySelector{Name:", False, Tier.KEEP),
        ("password_hash", "scram-sha-512", False, None),
    ],
)
def test_a_value_is_judged_with_the_name_that_it_is_assigned_to(
    name: str, value: str, quoted: bool, tier: Tier | None
) -> None:
    assert assigned_value_tier(name, value, quoted=quoted) is tier


@given(st.text(max_size=40), st.text(max_size=200), st.booleans())
def test_any_name_and_value_are_judged(name: str, value: str, quoted: bool) -> None:
    assert assigned_value_tier(name, value, quoted=quoted) in (None, *Tier)
