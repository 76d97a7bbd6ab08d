# SPDX-License-Identifier: Apache-2.0
import base64
import random
import string
from collections.abc import Callable

import pytest

from node0.finetune.corpus.rules import SECRET_RULES
from node0.finetune.corpus.rules_value import Tier
from node0.finetune.corpus.scrubber import CorpusScrubber

LETTERS, DIGITS = string.ascii_letters, string.digits
WORD, HEX, UPPER = LETTERS + DIGITS, "0123456789abcdef", string.ascii_uppercase
URLSAFE, BASE32 = WORD + "-_", UPPER + "234567"
SCRUBBER = CorpusScrubber()


def signs(rng: random.Random, alphabet: str, count: int) -> str:
    return "".join(rng.choice(alphabet) for _ in range(count))


def token(
    prefix: str, alphabet: str, count: int, suffix: str = ""
) -> Callable[[random.Random], tuple[str, str]]:
    """Gives the token and its secret part."""

    def make(rng: random.Random) -> tuple[str, str]:
        secret = signs(rng, alphabet, count)
        return f"{prefix}{secret}{suffix}", secret

    return make


def within(
    before: str, alphabet: str, count: int, after: str = ""
) -> Callable[[random.Random], tuple[str, str]]:
    return token(before, alphabet, count, after)


def openai(rng: random.Random) -> tuple[str, str]:
    one, two = signs(rng, URLSAFE, 74), signs(rng, URLSAFE, 74)
    return f"sk-svcacct-{one}T3BlbkFJ{two}", one


def new_app_token(rng: random.Random) -> tuple[str, str]:
    secret = signs(rng, WORD + "._-", 500)
    return f"ghs_a{secret}Z", secret


def jwt(rng: random.Random) -> tuple[str, str]:
    body = signs(rng, URLSAFE, 60)
    return f"eyJ{signs(rng, URLSAFE, 20)}.eyJ{body}.{signs(rng, URLSAFE, 43)}", body


def pem(name: str, *, newline: str = "\n", end: bool = True) -> Callable[[random.Random], tuple[str, str]]:
    def make(rng: random.Random) -> tuple[str, str]:
        body = newline.join(signs(rng, WORD + "+/", 64) for _ in range(5))
        tail = f"{newline}-----END {name}-----" if end else ""
        return f"-----BEGIN {name}-----{newline}{body}{tail}", body

    return make


def basic(rng: random.Random) -> tuple[str, str]:
    secret = base64.b64encode(f"bob:{signs(rng, WORD, 18)}".encode()).decode()
    return f"Authorization: Basic {secret}", secret


FORMATS: dict[str, Callable[[random.Random], tuple[str, str]]] = {
    "github classic": token("ghp_", WORD, 36),
    "github oauth": token("gho_", WORD, 36),
    "github user": token("ghu_", WORD, 36),
    "github refresh": token("ghr_", WORD, 36),
    "github app": token("ghs_", WORD, 36),
    "github app, new": new_app_token,
    "github fine-grained": token("github_pat_", WORD + "_", 82),
    "anthropic": token("sk-ant-api03-", URLSAFE, 93, "AA"),
    "anthropic admin": token("sk-ant-admin01-", URLSAFE, 93, "AA"),
    "anthropic oauth": token("sk-ant-oat01-", URLSAFE, 86),
    "anthropic refresh": token("sk-ant-ort01-", URLSAFE, 86),
    "openai": openai,
    "openai legacy": token("sk-", WORD, 20, "T3BlbkFJ" + "a1B2c3D4e5F6g7H8i9J0"),
    "aws key id": token("AKIA", BASE32, 16),
    "aws session id": token("ASIA", BASE32, 16),
    "aws secret": within("aws_secret_access_key = ", WORD + "/+", 40),
    "gcp": token("AIza", URLSAFE, 35),
    "gcp oauth": token("ya29.", URLSAFE, 80),
    "slack": token("xoxb-", DIGITS + LETTERS, 40),
    "slack webhook": within("https://hooks.slack.com/services/T0AAAAAA/B0BBBBBB/", WORD, 24),
    "npm": token("npm_", WORD, 36),
    "npmrc": within("//registry.example.org/:_authToken=", WORD, 36),
    "pypi": token("pypi-AgEIcHlwaS5vcmc", URLSAFE, 80),
    "gitlab": token("glpat-", URLSAFE, 20),
    "gitlab deploy": token("gldt-", URLSAFE, 20),
    "gitlab runner": token("glrt-", URLSAFE, 20),
    "hugging face": token("hf_", LETTERS, 34),
    "weights and biases": within("WANDB_API_KEY=", HEX, 40),
    "stripe": token("sk_live_", WORD, 24),
    "stripe restricted": token("rk_test_", WORD, 40),
    "vault": token("hvs.", URLSAFE, 95),
    "databricks": token("dapi", HEX, 32),
    "age": token("AGE-SECRET-KEY-1", "QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L", 58),
    "jwt": jwt,
    "rsa key": pem("RSA PRIVATE KEY"),
    "openssh key": pem("OPENSSH PRIVATE KEY"),
    "pgp key": pem("PGP PRIVATE KEY BLOCK"),
    "key in JSON": pem("PRIVATE KEY", newline="\\n"),
    "torn key": pem("EC PRIVATE KEY", end=False),
    "password": within('password: "', WORD + "!$%", 14, '"'),
    "api key": within("API_KEY=", WORD, 32),
    "env line": within("export SERVICE_TOKEN='", WORD, 40, "'"),
    "json": within('{"clientSecret": "', WORD, 30, '"}'),
    "url": within("https://builder:", WORD, 20, "@git.harbor-yard.net/x.git"),
    "bearer": within("Authorization: Bearer ", WORD, 40),
    "basic": basic,
    "command line": within("mysql -u root -p'", WORD, 14, "' hq"),
    "cookie": within("Cookie: session=", WORD, 40),
    "ssh public key": within("ssh-rsa AAAAB3NzaC1yc2E", WORD + "+/", 200, " bob@laptop"),
}
WRAPPERS: dict[str, Callable[[str], str]] = {
    "alone": lambda value: value,
    "in a sentence": lambda value: f"I used {value} for the push.",
    "on its own line": lambda value: f"output:\n{value}\ndone",
    "after an escaped newline": lambda value: f"output:\\n{value}\\ndone",
    "in a shell assignment": lambda value: f"X={value}; run",
}


@pytest.mark.parametrize("name", FORMATS)
def test_no_piece_of_a_secret_is_left(name: str) -> None:
    rng = random.Random(name)
    for wrap in WRAPPERS.values():
        for _ in range(8):
            whole, secret = FORMATS[name](rng)

            scrubbed, found = SCRUBBER.scrub(wrap(whole))

            pieces = {secret[at : at + 6] for at in range(len(secret) - 5)}
            assert not [piece for piece in pieces if piece in scrubbed], (wrap(whole), scrubbed)
            assert found
            assert all(line.startswith("redact") for line in found)


def test_every_rule_of_the_table_fires_on_some_format() -> None:
    rng = random.Random(0)
    texts = [make(rng)[0] for make in FORMATS.values()]
    texts += [
        "xapp-1-A0B1C2D3E4",
        "whsec_" + signs(rng, WORD, 32),
        "SG." + signs(rng, WORD, 22) + "." + signs(rng, WORD, 43),
    ]
    texts += [
        "AccountKey=" + signs(rng, WORD, 86) + "==",
        "GOCSPX-" + signs(rng, WORD, 28),
        "https://" + signs(rng, WORD, 40) + "@git.io",
    ]
    texts += [
        "curl -u bob:" + signs(rng, WORD, 16),
        "api_org_" + signs(rng, LETTERS, 34),
        "bearer " + signs(rng, WORD, 30),
        "mysql -uroot -p" + signs(rng, WORD, 14),
    ]

    silent = [
        rule.pattern.pattern
        for rule in SECRET_RULES
        if not any(
            (found := rule.pattern.search(text)) and rule.judge(found) is Tier.REDACT for text in texts
        )
    ]

    assert silent == []
