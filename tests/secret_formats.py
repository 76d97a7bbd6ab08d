# SPDX-License-Identifier: Apache-2.0
"""Every kind of token, made up at random, and the ways in which one may be written down."""

import base64
import json
import random
import string
import textwrap
import urllib.parse
from collections.abc import Callable

LETTERS, DIGITS = string.ascii_letters, string.digits
WORD, HEX, UPPER = LETTERS + DIGITS, "0123456789abcdef", string.ascii_uppercase
URLSAFE, BASE32 = WORD + "-_", UPPER + "234567"


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


def one_of(
    prefixes: tuple[str, ...], alphabet: str, count: int
) -> Callable[[random.Random], tuple[str, str]]:
    """A token that begins with one of these."""

    def make(rng: random.Random) -> tuple[str, str]:
        return token(rng.choice(prefixes), alphabet, count)(rng)

    return make


def openai(rng: random.Random) -> tuple[str, str]:
    one, two = signs(rng, URLSAFE, 74), signs(rng, URLSAFE, 74)
    kind = rng.choice(("proj", "svcacct", "admin"))
    return f"sk-{kind}-{one}T3BlbkFJ{two}", f"{one}\n{two}"


def new_app_token(rng: random.Random) -> tuple[str, str]:
    secret = signs(rng, WORD + "._-", 500)
    return f"ghs_a{secret}Z", secret


def jwt(rng: random.Random) -> tuple[str, str]:
    head, body, signature = (signs(rng, URLSAFE, count) for count in (20, 60, 43))
    return f"eyJ{head}.eyJ{body}.{signature}", f"{head}\n{body}\n{signature}"


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
    "github fine-grained, shortest": token("github_pat_", WORD, 22),
    "anthropic": token("sk-ant-api03-", URLSAFE, 93, "AA"),
    "anthropic admin": token("sk-ant-admin01-", URLSAFE, 93, "AA"),
    "anthropic oauth": token("sk-ant-oat01-", URLSAFE, 86),
    "anthropic refresh": token("sk-ant-ort01-", URLSAFE, 86),
    "openai": openai,
    "openai legacy": token("sk-", WORD, 20, "T3BlbkFJ" + "a1B2c3D4e5F6g7H8i9J0"),
    "aws key id": token("AKIA", BASE32, 16),
    "aws session id": token("ASIA", BASE32, 16),
    "aws other ids": one_of(("ABIA", "ACCA", "A3TX"), BASE32, 16),
    "aws secret": within("aws_secret_access_key = ", WORD + "/+", 40),
    "gcp": token("AIza", URLSAFE, 35),
    "gcp oauth": token("ya29.", URLSAFE, 80),
    "slack": one_of(tuple(f"xox{kind}-" for kind in "abpers"), WORD, 40),
    "slack webhook": within("https://hooks.slack.com/services/T0AAAAAA/B0BBBBBB/", WORD, 24),
    "npm": token("npm_", WORD, 36),
    "npmrc": within("//registry.example.org/:_authToken=", WORD, 36),
    "pypi": token("pypi-AgEIcHlwaS5vcmc", URLSAFE, 80),
    "gitlab": token("glpat-", URLSAFE, 20),
    "gitlab, routable": token("glpat-", URLSAFE, 27, ".01.0w1a2b3c4"),
    "gitlab, others": one_of(("glcbt-", "glptt-", "glsoat-", "glft-", "glrtr-"), URLSAFE, 20),
    "gitlab deploy": token("gldt-", URLSAFE, 20),
    "gitlab runner": token("glrt-", URLSAFE, 20),
    "hugging face": token("hf_", LETTERS, 34),
    "weights and biases": within("WANDB_API_KEY=", HEX, 40),
    "stripe": one_of(("sk_live_", "sk_test_", "sk_prod_", "rk_live_", "rk_prod_"), WORD, 24),
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
    "api key with sk": token("sk-", WORD, 48),
    "openrouter": token("sk-or-v1-", HEX, 64),
    "gcp refresh": token("1//0g", URLSAFE, 60),
    "gcp client": token("GOCSPX-", URLSAFE, 28),
    "slack app": token("xapp-1-A0B1C2D3E4-", WORD, 40),
    "discord webhook": within("https://discord.com/api/webhooks/123456789012345678/", URLSAFE, 68),
    "teams webhook": within("https://x.webhook.office.com/webhookb2/", WORD, 60),
    "telegram": token("123456789:AA", URLSAFE, 33),
    "rubygems": token("rubygems_", HEX, 48),
    "crates": token("cio", WORD, 32),
    "docker": token("dckr_pat_", URLSAFE, 27),
    "atlassian": token("ATATT3xFfGF0", URLSAFE, 180, "=0A1B2C3D"),
    "hugging face organisation": token("api_org_", LETTERS, 34),
    "groq": token("gsk_", WORD, 52),
    "replicate": token("r8_", WORD, 37),
    "perplexity": token("pplx-", WORD, 48),
    "xai": token("xai-", WORD, 80),
    "langsmith": token("lsv2_pt_", HEX, 32, "_0123456789"),
    "stripe webhook": token("whsec_", WORD, 32),
    "shopify": token("shpat_", HEX, 32),
    "terraform": token("Ab1Cd2Ef3Gh4Ij.atlasv1.", URLSAFE, 67),
    "digitalocean": token("dop_v1_", HEX, 64),
    "fly": token("fm2_", WORD + "+/", 100),
    "supabase": token("sbp_", HEX, 40),
    "planetscale": token("pscale_tkn_", URLSAFE, 43),
    "pulumi": token("pul-", HEX, 40),
    "tailscale": token("tskey-auth-", WORD, 40),
    "azure client": token("aB38Q~", URLSAFE, 34),
    "azure storage": within("AccountKey=", WORD + "+/", 86, "=="),
    "sendgrid": token("SG.", URLSAFE, 22, "." + "a1B2c3D4e5" * 4),
    "twilio": token("SK", HEX, 32),
    "mailgun": token("key-", HEX, 32),
    "newrelic": token("NRAK-", UPPER + DIGITS, 27),
    "grafana": token("glsa_", WORD, 32, "_0a1b2c3d"),
    "sentry": token("sntrys_", WORD + "+/", 100),
    "postman": token("PMAK-", HEX, 24, "-" + "0a1b2c3d4e" * 3 + "0a1b"),
    "circleci": token("CCIPAT_AbCdEfGhIj0123456789xy_", HEX, 40),
    "buildkite": token("bkua_", HEX, 40),
    "figma": token("figd_", URLSAFE, 40),
    "linear": token("lin_api_", WORD, 40),
    "notion": token("ntn_", WORD, 46),
    "notion, older": token("secret_", WORD, 43),
    "1password": token("ops_eyJ", URLSAFE, 200),
    "facebook": token("EAA", WORD, 120),
    "bcrypt": token("$2b$12$", WORD + "./", 53),
    "crypt": token("$6$saltsaltsalt$", WORD + "./", 86),
    "signed url": within("https://b.s3.amazonaws.com/k?X-Amz-Signature=", HEX, 64),
    "key in a url": within("https://maps.harbor-yard.net/api?key=", WORD, 32),
    "ssh public key": within("ssh-rsa AAAAB3NzaC1yc2E", WORD + "+/", 200, " bob@laptop"),
}


def hard_wrapped(width: int) -> Callable[[str], str]:
    """As a terminal breaks lines."""
    return lambda text: "\n".join(text[at : at + width] for at in range(0, len(text), width))


def as_go_writes(text: str) -> str:
    """JSON with the escapes that Go and PHP add."""
    line = json.dumps(f"x {text}").replace("/", "\\/")
    return (
        line.replace("=", "\\u003d").replace("&", "\\u0026").replace("<", "\\u003c").replace("+", "\\u002b")
    )


def in_base64(text: str) -> str:
    return base64.b64encode(f"key is {text}".encode()).decode()


PLAIN: dict[str, Callable[[str], str]] = {
    "alone": lambda text: text,
    "in a sentence": lambda text: f"I used {text} for the push.",
    "on its own line": lambda text: f"output:\n{text}\ndone",
    "after an escaped newline": lambda text: f"output:\\n{text}\\ndone",
    "in a shell assignment": lambda text: f"X={text}; run",
}
WRITTEN: dict[str, Callable[[str], str]] = {
    **PLAIN,
    "in double quotes": lambda text: f'"{text}"',
    "in single quotes": lambda text: f"'{text}'",
    "in backquotes": lambda text: f"`{text}`",
    "in JSON": lambda text: json.dumps({"output": f"x {text}"}),
    "in JSON in JSON": lambda text: json.dumps(json.dumps({"output": text})),
    "in JSON as Go writes it": as_go_writes,
    "in a URL": lambda text: f"GET /x?y={urllib.parse.quote(text)} HTTP",
    "URL-encoded": lambda text: urllib.parse.quote(text, safe=""),
    "in a form": urllib.parse.quote_plus,
    "in base64": in_base64,
    "in URL-safe base64": lambda text: base64.urlsafe_b64encode(f"{text} ok".encode()).decode(),
    "in wrapped base64": lambda text: base64.encodebytes(f"secrets:\n{text}\n".encode()).decode(),
    "wrapped at 20": hard_wrapped(20),
    "wrapped at 32": hard_wrapped(32),
    "wrapped at 40": hard_wrapped(40),
    "wrapped at 80": hard_wrapped(80),
    "wrapped by words": lambda text: "\n".join(
        textwrap.wrap(f"I used this token here: {text} and went on.", 60)
    ),
    "wrapped in JSON": lambda text: json.dumps("\n".join(textwrap.wrap(text, 40))),
    "wrapped in a box": lambda text: "\n".join(f"  │ {line}" for line in hard_wrapped(50)(text).split("\n")),
}


def pieces_left(scrubbed: str, secret: str) -> list[str]:
    """Every six characters of the secret that still stand in a text."""
    lines = secret.replace("\\n", "\n").split("\n")
    pieces = {line[at : at + 6] for line in lines for at in range(len(line) - 5)}
    return sorted(piece for piece in pieces if piece in scrubbed)
