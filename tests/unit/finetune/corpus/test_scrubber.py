# SPDX-License-Identifier: Apache-2.0
import base64
import random
import string
import time
from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from node0.errors import ScrubberUnavailable
from node0.finetune.corpus.rules import SECRET_RULES
from node0.finetune.corpus.rules_value import Tier
from node0.finetune.corpus.schema import CorpusEntry
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
KEEP = [
    "commit 3f786850e387550fdab836ed7e6dc881de23001b",
    "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    '"integrity": "sha512-v2kDEe57lecTulaDIuNTPy3Ry4gLGJ6Z1O3vE1krgXZNr'
    'sQ+LFTGHVxVjcXPs17LhbZVGedAJv8XZ1tvj5FvSg=="',
    "123e4567-e89b-12d3-a456-426614174000",
    "gt-abc12 and hq-cv-x1y2z and gt-demo-polecat-toast",
    "dolt commit 0hqm8qk3v5ij1ta2p1mh5p5mjm8r1c1e",
    "data:image/png;base64," + "iVBORw0KGgoAAAANSUhEUgAA" * 20,
    "AKIAIOSFODNN7EXAMPLE",
    "aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    "ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
    "token: ${TOKEN}",
    "Authorization: Bearer $GT_TOKEN",
    "Authorization: Bearer <ANTHROPIC_AUTH_TOKEN>",
    "https://user:${PASSWORD}@git.harbor-yard.net",
    "password = os.environ['PASSWORD']",
    "def login(password: str, token: str | None = None) -> Session:",
    "max_tokens: 32000, input_tokens=1234567",
    "secrets: inherit",
    "if token == expected_token:",
    "127.0.0.1:3307 and ::1 and 0.0.0.0",
    "release v1.2.3.4, version 10.0.1.2",
    "git@github.com:acme/town.git",
    "Co-Authored-By: Claude <noreply@anthropic.com>",
    "someone@example.com",
    "2026-11-23T21:57:01.725Z 1795471021528",
    "std::vector<a::b> x; 12:34:56",
    "/root/.ssh and /home/user/x and /home/USER_1/y",
    "https://acme.io/home/page",
    "npm install @types/node@20.1.2",
    "4242 rows, 1234-5678-9012-3456",
    "-----BEGIN CERTIFICATE-----\nMIIB" + "A" * 60 + "\n-----END CERTIFICATE-----",
    "look for -----BEGIN RSA PRIVATE KEY----- in the logs",
    "-----BEGIN PUBLIC KEY-----",
    "refs/heads/polecat/toast-mh8d2x",
    "[GAS TOWN] demo/polecats/toast <- witness • 2026-01-05T06:00 • assigned:gt-abc12",
]


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


@pytest.mark.parametrize("text", KEEP)
def test_what_only_looks_secret_survives(text: str) -> None:
    for wrapped in (text, f"before {text} after", f"a\n{text}\nb"):
        assert SCRUBBER.scrub(wrapped) == (wrapped, [])


PERSONAL = {
    "mail jane.doe@harbor-yard.net": "mail [EMAIL_1]",
    "from 93.184.216.34 and 10.0.3.4": "from [IP_1] and [PRIVATE_IP_1]",
    "ping 2a00:1450:4009:81f::200e": "ping [IP_1]",
    "ether 00:1b:44:11:3a:b7 and 00-1B-44-11-3A-B8": "ether [MAC_1] and [MAC_2]",
    "call +44 20 7946 0958": "call [PHONE_1]",
    "call (415) 555-2671 or 415-555-2671": "call [PHONE_1] or [PHONE_1]",
    "card 4111 1111 1111 1111 x": "card [REDACTED:card] x",
    "iban GB82 WEST 1234 5698 7654 32.": "iban [REDACTED:iban].",
    "ssn 078-05-1120": "ssn [REDACTED:ssn]",
    "ls /home/alice/gt": "ls /home/USER_1/gt",
    "cat /Users/alice/.zshrc ~alice/x": "cat /Users/USER_1/.zshrc ~USER_1/x",
    "C:\\Users\\alice\\x and C:\\\\Users\\\\alice": "C:\\Users\\USER_1\\x and C:\\\\Users\\\\USER_1",
    "projects/-home-alice-gt-deacon/": "projects/-home-USER_1-gt-deacon/",
    "/home/alice and -Users-bob-x and /home/alice": "/home/USER_1 and -Users-USER_2-x and /home/USER_1",
    "Author: Jane Doe <jane@harbor-yard.net>": "Author: [NAME_1] <[EMAIL_1]>",
    "Bob@harbor-yard.net bob@harbor-yard.net": "[EMAIL_1] [EMAIL_1]",
}


@pytest.mark.parametrize("text", PERSONAL)
def test_personal_data_gets_one_name_for_one_thing(text: str) -> None:
    assert SCRUBBER.scrub(text)[0] == PERSONAL[text]


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


def test_uncertain_values_stay_and_are_named() -> None:
    text = 'password: "dolphinswim"'

    scrubbed, found = SCRUBBER.scrub(text)

    assert scrubbed == text
    assert found == ["quarantine: assigned-secret"]


def test_findings_point_at_the_exact_place() -> None:
    text = "x AKIAIOSFODNN7EXAMPLE y ghp_0123456789abcdefABCDEF0123456789wxyz z"

    keep, gone = SCRUBBER.findings(text)

    assert (keep.kind, keep.tier, text[keep.start : keep.end]) == (
        "aws-access-key",
        Tier.KEEP,
        "AKIAIOSFODNN7EXAMPLE",
    )
    assert (gone.kind, gone.tier) == ("github-token", Tier.REDACT)
    assert text[gone.start : gone.end] == "ghp_0123456789abcdefABCDEF0123456789wxyz"


def test_numbers_that_the_text_already_uses_are_not_given_out_again() -> None:
    assert SCRUBBER.scrub("[EMAIL_1] and new@harbor-yard.net")[0] == "[EMAIL_1] and [EMAIL_2]"


def test_the_operators_words_always_go() -> None:
    scrubber = CorpusScrubber(["Harbor Yard", "acme.io"])

    assert scrubber.scrub("at HARBOR YARD, acme.io")[0] == "at [REDACTED:deny-list], [REDACTED:deny-list]"
    assert scrubber.version != SCRUBBER.version


def test_an_entry_is_scrubbed_in_every_string() -> None:
    rng = random.Random(1)
    secret = "ghp_" + signs(rng, WORD, 36)
    call = {
        "type": "tool_use",
        "id": "toolu_1",
        "name": "Bash",
        "input": {"command": secret, secret: ["jane@harbor-yard.net"]},
    }
    told = {
        "type": "tool_result",
        "tool_use_id": "toolu_1",
        "content": [{"type": "text", "text": f"{secret} /home/jane"}],
    }
    entry = CorpusEntry(
        id="a", role="polecat", rig=secret, task_type="t", outcome="o", created_at="",
        messages=[{"role": "assistant", "content": [call]}, {"role": "user", "content": [told]}],
        chosen=[{"role": "assistant", "content": secret}],
        systems={"s": f"mail jane@harbor-yard.net {secret}"},
        toolsets={"t": [{"name": "Bash", "description": secret, "input_schema": {"default": secret}}]},
        tools=[{"name": secret}],
    )  # fmt: skip

    scrubbed, redacted, quarantined = SCRUBBER.scrub_entry(entry)

    text = scrubbed.model_dump_json()
    assert secret not in text
    assert "jane" not in text
    assert "[EMAIL_1]" in scrubbed.systems["s"]
    assert "[EMAIL_1]" in str(scrubbed.messages[0])
    assert "[EMAIL_2]" not in text
    assert redacted["github-token"] == 9
    assert not quarantined
    assert not scrubbed.quarantined
    assert scrubbed.scrub_version == SCRUBBER.version
    assert scrubbed.messages[0]["content"][0]["id"] == scrubbed.messages[1]["content"][0]["tool_use_id"]
    assert SCRUBBER.scrub_entry(scrubbed).entry == scrubbed


def test_an_uncertain_entry_waits_in_quarantine() -> None:
    entry = CorpusEntry(
        id="a", role="polecat", rig="r", task_type="t", outcome="o", created_at="",
        messages=[{"role": "user", "content": 'password: "dolphinswim"'}],
    )  # fmt: skip

    assert SCRUBBER.scrub_entry(entry).entry.quarantined


def test_scrubbing_that_cannot_run_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "node0.finetune.corpus.rules_person", None)

    with pytest.raises(ScrubberUnavailable, match="nothing was stored"):
        CorpusScrubber()


PIECES = st.sampled_from(
    [
        "ghp_",
        "sk-ant-api03-",
        "T3BlbkFJ",
        "AKIA",
        "aws",
        "secret",
        "password",
        "token",
        ": ",
        "=",
        '"',
        "'",
        "\\n",
        "\n",
        "-----BEGIN RSA PRIVATE KEY-----",
        "-----END RSA PRIVATE KEY-----",
        ".eyJ",
        "eyJ",
        "://",
        "@",
        "a.io",
        "/home/",
        "~",
        "-home-",
        "bob",
        "1",
        "255",
        ".",
        ":",
        "::",
        "+1 415 555 2671",
        "4111 1111 1111 1111",
        "Author: ",
        "<",
        "bearer ",
        "[REDACTED:x]",
        "[EMAIL_1]",
        "USER_1",
        "A1b2C3d4E5f6G7h8",
        "0123456789abcdef" * 2,
        " ",
        "İ",
        "\ud83d",
        "wandb",
        "-p'",
    ]
)
TEXTS = st.lists(st.one_of(PIECES, st.text(max_size=12)), max_size=24).map("".join)


@settings(max_examples=250, deadline=None)
@given(TEXTS)
def test_any_text_can_be_scrubbed_and_twice_is_once(text: str) -> None:
    found = SCRUBBER.findings(text)
    assert all(one.end <= two.start for one, two in pairwise(found))
    assert all(0 <= one.start < one.end <= len(text) for one in found)

    once, _ = SCRUBBER.scrub(text)
    twice, left = SCRUBBER.scrub(once)

    assert twice == once
    assert not [line for line in left if line.startswith("redact")]


@pytest.mark.parametrize(
    "piece",
    [
        "ghp_",
        "sk-ant-",
        "eyJ",
        ".eyJ",
        "a.eyJ",
        "-----BEGIN ",
        "://",
        "://a:",
        "token",
        "token=",
        "secret ",
        "aws ",
        "wandb ",
        "a@",
        "@a.",
        "1.",
        "12",
        ":",
        "a:",
        "::",
        "/home/",
        "~a",
        "-home-",
        "+1",
        "4",
        "AB12",
        "cookie:",
        "bearer ",
        "-u a",
        "mysql ",
        "author: ",
        "<",
        "\\",
        " ",
        "xox",
        "-p'",
        "0 0",
        "12-",
    ],
)
def test_time_is_linear_in_hostile_text(piece: str) -> None:
    """Each piece repeated to 100 kB: a quadratic rule would take minutes."""
    text = piece * (100_000 // len(piece))
    start = time.process_time()

    SCRUBBER.findings(text)

    assert time.process_time() - start < 2.0
