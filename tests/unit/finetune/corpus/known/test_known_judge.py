# SPDX-License-Identifier: Apache-2.0
import pytest

from node0.finetune.corpus.known.credential_pairs import Pair
from node0.finetune.corpus.known.known_judge import is_distinct, is_unlike_words, secret_values
from node0.finetune.corpus.scrub.matcher import Matcher

MATCHER = Matcher()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("password", "gull-harbor-quay"),
        ("DB_PASS", "k7#mQ2"),
        ("oauth_token", "aB3dE5gH7jK9mN1pQ3rS5tU7"),
        ("_authToken", "0f8fad5b-d9cb-469f-a165-70867728950e"),
        ("PASSPHRASE", "seven otters swim at dawn"),
        ("private_key", "Q" + "abCD12+/" * 8),
        ("SOMETHING", "ghp_0123456789abcdefABCDEF0123456789wxyz"),
        ("client-secret", "correcthorsebatterystaple"),
    ],
)
def test_what_a_name_or_the_scrubber_calls_a_secret_is_one(name: str, value: str) -> None:
    assert secret_values([Pair(name, value)], MATCHER) == {value}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("password", "postgres"),
        ("password", "production"),
        ("PASSWORD", "changeme"),
        ("SECRET", "1234567890"),
        ("TOKEN_TTL", "3600seconds"),
        ("SECRET_NAME", "prod-database-1"),
        ("AUTH_TYPE", "oauth-personal-2"),
        ("SSH_AUTH_SOCK", "/run/user/1000/keyring/ssh"),
        ("TOKEN_FILE", "/etc/harbor/token-17"),
        ("AUTH_URL", "https://auth.harbor.net/v2/token17"),
        ("PASSWORD", "${DB_PASSWORD}"),
        ("API_KEY", "<your-key-here>"),
        ("EDITOR", "nvim-0.10"),
        ("PATH", "/usr/bin:/usr/local/bin"),
        ("ANTHROPIC_MODEL", "claude-sonnet-4-20250514"),
        ("MAX_OUTPUT_TOKENS", "32000"),
        ("LANG", "en_US.UTF-8"),
    ],
)
def test_words_figures_places_and_settings_stay_to_the_rules(name: str, value: str) -> None:
    assert secret_values([Pair(name, value)], MATCHER) == set()


def test_a_value_of_words_alone_is_not_learned_from_a_rule() -> None:
    assert is_distinct("gull-harbor-quay")
    assert not is_unlike_words("gull-harbor-quay")
    assert is_unlike_words("gull-harbor-17")
    assert is_unlike_words("xqzvkjwpfhtbnm")
