# SPDX-License-Identifier: Apache-2.0
import random
import re
import string

import pytest

from node0.finetune.corpus.scrub.finding import Tier
from node0.finetune.corpus.scrub.rules.context_rules import CONTEXT_RULES
from node0.finetune.corpus.scrub.rules.secret_rule import SecretRule
from node0.finetune.corpus.scrub.text_scrubber import TextScrubber

SCRUBBER = TextScrubber(voters=())


@pytest.mark.parametrize("rule", CONTEXT_RULES, ids=lambda rule: f"{rule.kind} {rule.anchors[0]}")
def test_a_rule_has_anchors_in_the_case_that_it_reads(rule: SecretRule) -> None:
    assert rule.anchors
    assert not rule.fold or all(anchor == anchor.lower() for anchor in rule.anchors)
    assert bool(rule.pattern.flags & re.IGNORECASE) == rule.fold


@pytest.mark.parametrize(
    ("kind", "text", "secret"),
    [
        ("authorization", "Authorization: Bearer aB3dE5gH7jK9mN1p", "aB3dE5gH7jK9mN1p"),
        ("cookie", "Cookie: sess=aB3dE5gH7jK9", "sess=aB3dE5gH7jK9"),
        ("url-credentials", "https://jane:hunter2@git.acme.io", "jane:hunter2"),
        ("cli-password", "mysql -u root -phunter2", "hunter2"),
        ("netrc", "machine git.acme.io login jane password hunter2", "hunter2"),
        ("assigned-secret", "DB_PASSWORD=hunter2hunter2", "hunter2hunter2"),
        ("azure-key", "AccountKey=" + "aB3dE5gH7j" * 8 + "==", "aB3dE5gH7j" * 8 + "=="),
    ],
)
def test_only_the_secret_goes_and_what_names_it_stays(kind: str, text: str, secret: str) -> None:
    matches = [
        match
        for rule in CONTEXT_RULES
        if rule.kind == kind
        for match in rule.pattern.finditer(text)
        if rule.judge(match) is Tier.REDACT
    ]

    assert secret in [match.group("secret") for match in matches]


HOSTS = ["db.harbor-yard.net", "db.harbor-yard.net:5432", "cache", "10.1.2.3:6379"]
DIALECTS = {
    "url": "postgres://{login}@{host}/app",
    "driver in the scheme": "mysql+pymysql://{login}@{host}/app?charset=utf8",
    "no path": "amqps://{login}@{host}",
    "under a telling name": "SECRET_URL=redis://{login}@{host}/0",
    "quoted under a telling name": 'auth_token_url = "https://{login}@{host}/x.git"',
    "Go": "{login}@tcp({host})/app?parseTime=true",
    "Oracle": "jdbc:oracle:thin:{oracle}@{host}/XE",
    "curl": "curl -u {login}@{host}",
}


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("dialect", DIALECTS)
def test_the_host_stays_where_a_password_goes(dialect: str, host: str) -> None:
    rng = random.Random(f"{dialect} {host}")
    for extra in ("", "@", "!", "%40", "$x@"):
        password = "".join(rng.choice(string.ascii_letters + string.digits) for _ in range(12)) + "a7"
        whole = f"{password[:5]}{extra}{password[5:]}"
        if dialect == "curl" and "@" in extra:
            continue
        text = DIALECTS[dialect].format(login=f"builder:{whole}", oracle=f"builder/{whole}", host=host)

        scrubbed, _ = SCRUBBER.scrub(text)

        assert password[5:] not in scrubbed
        assert re.search(
            re.escape(f"@{host}") if host[0] != "1" else r"@\[PRIVATE_IP_1\]:6379",
            scrubbed.replace("tcp(", ""),
        )


STATUS = ["--- PASS: {} (0.00s)", "    --- PASS: {}/sub_case (0.01s)", "PASS: {}", "=== PASS: {}"]


@pytest.mark.parametrize("status", STATUS)
def test_names_of_tests_are_no_passwords(status: str) -> None:
    words = [
        "Get",
        "Style",
        "CSS",
        "HTTP2",
        "V3",
        "Server",
        "JSON",
        "Parse",
        "Token",
        "OAuth2",
        "IPv6",
        "b64",
        "X509",
    ]
    rng = random.Random(status)
    for _ in range(300):
        text = status.format("Test" + "".join(rng.choice(words) for _ in range(rng.randint(1, 5))))

        assert SCRUBBER.scrub(text) == (text, [])


UNITS = [
    "s",
    "ms",
    "seconds",
    "m",
    "h",
    "days",
    "kb",
    "MB",
    "GiB",
    "bytes",
    "bits",
    "tokens",
    "req/s",
    "%",
    "x",
    "Hz",
]


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("name", ["token_ttl", "password_timeout", "secret_size", "credential_window"])
def test_numbers_with_units_are_no_secrets(name: str, unit: str) -> None:
    for number in ("3600", "30_000", "1.5", "4096"):
        text = f"{name} = {number}{unit}"

        assert SCRUBBER.scrub(text) == (text, [])


@pytest.mark.parametrize("name", ["secret_arn", "kms_key", "token_name", "CREDENTIALS_ID"])
@pytest.mark.parametrize(
    "value",
    [
        "arn:aws:secretsmanager:us-east-1:123456789012:secret:prod/db-AbCdEf",
        "arn:aws-cn:iam::123456789012:role/deploy-bot",
        "arn:aws:kms:eu-west-1:123456789012:alias/town",
        "projects/harbor/secrets/db-password/versions/latest",
        "https://vault.harbor-yard.net:8200/v1/secret/data/town",
    ],
)
def test_names_of_resources_are_no_secrets(name: str, value: str) -> None:
    for text in (f"{name} = {value}", f'"{name}": "{value}"', f"{name}: {value}"):
        assert SCRUBBER.scrub(text) == (text, [])
