# SPDX-License-Identifier: Apache-2.0
import base64
import json
import textwrap
import urllib.parse
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from thread_time import least_seconds

from node0.finetune.corpus.scrub.finding import Tier
from node0.finetune.corpus.scrub.text_scrubber import TextScrubber, _neighbourhoods

SCRUBBER = TextScrubber()
SECRET = "ghp_0123456789abcdefABCDEF0123456789wxyz"
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


@pytest.mark.parametrize("text", KEEP)
def test_what_only_looks_secret_survives(text: str) -> None:
    for wrapped in (
        text,
        f"before {text} after",
        f"a\n{text}\nb",
        json.dumps({"output": f"first\n{text}\nlast"}),
        urllib.parse.quote(text, safe=""),
        "\n".join(textwrap.wrap(text, 60, break_long_words=False)),
        base64.b64encode(text.encode()).decode(),
    ):
        assert SCRUBBER.scrub(wrapped) == (wrapped, [])


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
    scrubber = TextScrubber(["Harbor Yard", "acme.io"])

    assert scrubber.scrub("at HARBOR YARD, acme.io")[0] == "at [REDACTED:deny-list], [REDACTED:deny-list]"
    assert scrubber.version != SCRUBBER.version


def test_a_long_text_is_scrubbed_as_a_short_one_is() -> None:
    filler = "the witness looks at every hook of the rig\n" * 2500
    text = f"{filler}use {SECRET} of jane@harbor-yard.net\n{filler}at 93.184.216.34\n{filler}"

    once, found = SCRUBBER.scrub(text)

    assert once == f"{filler}use [REDACTED:github-token] of [EMAIL_1]\n{filler}at [IP_1]\n{filler}"
    assert found == ["redact: github-token", "redact: email", "redact: ip"]
    assert SCRUBBER.scrub(once) == (once, [])


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
        "%3D",
        "%22",
        "\\u003d",
        "\\/",
        "\\",
        "Z2hwXzAxMjM0NTY3ODlhYmNkZWZBQkNERUYwMTIzNDU2Nzg5d3h5eg==",
        "hvs.A1b2C3d4E5f6G7h8I9j0K1l2\n",
        "ab-cd!efgh",
        "\x1b[0m",
        "\u200b",
        '" + "',
        "&#95;",
        "\\x5f",
        "sk-",
        "pass=",
        "password is ",
        "$6$",
        '{"kty":"RSA","d":"',
        "?key=",
        "- name: API_TOKEN\n  value: ",
        "secret: |\n  ",
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
        "%41 ",
        "\\u0041 ",
        "a1\n",
        "A1b2\\n",
        "hvs." + "a" * 40 + "\n",
        "YWJjZGVm",
        "-----BEGIN RSA PRIVATE KEY-----",
        "A" * 15 + "\n-----END RSA PRIVATE KEY-----",
        "T3BlbkFJ",
        "sk-",
        "pass ",
        "pass: |\n",
        "secret is ",
        "secret, value",
        "secret\n\n\n\n",
        "key",
        "api_key ",
        "EAA",
        "cio",
        "$6$",
        "Q~",
        ".atlasv1.",
        '"kty":"d":"',
        "login x password ",
        " login -p ",
        "sshpass ",
        "echo a -stdin ",
        'variable "token" {',
        "curl -b a=",
        '"auth":',
        "?key=",
        "\x1b[0m",
        "\u200b",
        "\\u001b[0m",
        '" + "',
        "&#95;",
        "\\x5f",
        "1.1.1.1 ",
        "00 AB12",
    ],
)
def test_time_is_linear_in_hostile_text(piece: str) -> None:
    """Each piece repeated to 100 kB: a quadratic rule would take minutes."""
    text = piece * (100_000 // len(piece))

    assert least_seconds(lambda: SCRUBBER.findings(text), below=2.0) < 2.0


@given(st.lists(st.integers(0, 400_000), max_size=60).map(sorted), st.integers(1, 400))
def test_no_part_of_a_long_text_is_looked_at_twice(places: list[int], width: int) -> None:
    text = ("a" * width + "\n") * (400_000 // width)

    looked = list(_neighbourhoods(text, places))

    assert all(one[1] <= two[0] for one, two in pairwise(looked))
    assert all(any(start <= place <= end for start, end in looked) for place in places if place < len(text))


def test_a_long_table_of_people_is_scrubbed_as_its_parts_are() -> None:
    rows = [
        f"{number},jane{number}@harbor{number % 97}.net,+1 415 555 {1000 + number}\n"
        for number in range(6000)
    ]

    scrubbed, found = SCRUBBER.scrub("".join(rows))

    assert "@" not in scrubbed
    assert len(found) == 12000
    assert SCRUBBER.scrub(scrubbed) == (scrubbed, [])
