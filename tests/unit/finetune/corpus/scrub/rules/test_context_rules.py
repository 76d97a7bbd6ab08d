# SPDX-License-Identifier: Apache-2.0
import re

import pytest

from node0.finetune.corpus.scrub.finding import Tier
from node0.finetune.corpus.scrub.rules.context_rules import CONTEXT_RULES
from node0.finetune.corpus.scrub.rules.secret_rule import SecretRule


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
