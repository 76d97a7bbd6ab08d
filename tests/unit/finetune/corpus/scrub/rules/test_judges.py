# SPDX-License-Identifier: Apache-2.0
import re

import pytest

from node0.finetune.corpus.scrub.finding import Tier
from node0.finetune.corpus.scrub.rules import judges
from node0.finetune.corpus.scrub.rules.judges import Judge


def judged(judge: Judge, value: str, *, around: str = "{}") -> Tier | None:
    text = around.format(value)
    start = text.index(value)
    match = re.compile(f"(?P<secret>{re.escape(value)})").match(text, start)
    assert match
    return judge(match)


@pytest.mark.parametrize(
    ("judge", "value", "tier"),
    [
        (judges.token, "ghp_0123456789abcdefABCDEF", Tier.REDACT),
        (judges.token, "ghp_xxxxxxxxxxxxxxxxxxxxxx", Tier.KEEP),
        (judges.random_token, "a8f3k2m9q1z7", Tier.REDACT),
        (judges.random_token, "refinery-of-the-town", None),
        (judges.opaque, "anything at all", Tier.REDACT),
        (judges.opaque, "$TOKEN", Tier.KEEP),
        (judges.header_value, "required", None),
        (judges.header_value, "a8f3k2m9q1z7", Tier.REDACT),
        (judges.unnamed, "0123456789abcdef" * 2, None),
        (judges.unnamed, "a8f3k2m9q1z7x", Tier.REDACT),
        (judges.aws_secret, "3f786850e387550fdab836ed7e6dc881de23001b", None),
        (judges.aws_secret, "wJalrXUtnFEMIK7MDENGbPxRfiCYzzq8w7e6r5t4", Tier.REDACT),
        (judges.basic, "YTpiM2Q0ZTVmNmc3aDg5", Tier.REDACT),
        (judges.basic, "notbase", None),
        (judges.url_password, "jane:hunter2", Tier.REDACT),
        (judges.url_password, "jane:${PASSWORD}", Tier.KEEP),
        (judges.url_password, "user:password", Tier.REDACT),
        (judges.argument, "3307", None),
        (judges.argument, "hunter2", Tier.REDACT),
    ],
)
def test_a_value_is_judged_by_what_it_looks_like(judge: Judge, value: str, tier: Tier | None) -> None:
    assert judged(judge, value) is tier


def test_a_password_of_netrc_needs_its_machine() -> None:
    assert judged(judges.netrc, "hunter2", around="machine git.acme.io {}") is Tier.REDACT
    assert judged(judges.netrc, "hunter2", around="the login and the {}") is None


def test_a_member_of_a_web_key_needs_its_type() -> None:
    assert judged(judges.private_jwk, "aB3dE5gH7j", around='{{"kty":"RSA","d":"{}"}}') is Tier.REDACT
    assert judged(judges.private_jwk, "aB3dE5gH7j", around='{{"d":"{}"}}') is None


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]", "db.example.com", "host", "dbhost"])
@pytest.mark.parametrize("login", ["user:password", "root:root", "postgres:postgres", "app:secret"])
def test_words_at_nobodys_host_are_an_example(login: str, host: str) -> None:
    match = re.compile(f"://(?P<secret>{login})@").match(f"://{login}@{host}:5432/app")

    assert match
    assert judges.url_password(match) is Tier.KEEP


@pytest.mark.parametrize("host", ["db.acme.io", "localhost.acme.io", "hosting"])
def test_a_word_at_somebodys_host_is_a_password(host: str) -> None:
    match = re.compile("://(?P<secret>user:password)@").match(f"://user:password@{host}/x")

    assert match
    assert judges.url_password(match) is Tier.REDACT
