# SPDX-License-Identifier: Apache-2.0
import base64
import random
import re
import string
import urllib.parse
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from node0.finetune.corpus.scrub.finding import Finding, Tier
from node0.finetune.corpus.scrub.matcher import Matcher
from node0.finetune.corpus.scrub.stand_ins import OwnValues
from node0.finetune.corpus.scrub.surrogates import Surrogates

TOKEN = "ghp_0123456789abcdefABCDEF0123456789wxyz"
PASSWORD = "zI4X8id8xq2"
MATCHER = Matcher()


def berths(text: str) -> Iterator[Finding]:
    for match in re.finditer("berth-4711", text):
        yield Finding("berth", Tier.QUARANTINE, *match.span())


@pytest.mark.parametrize(
    "written",
    [
        TOKEN,
        urllib.parse.quote(TOKEN.replace("_", "%5F"), safe="%"),
        TOKEN.replace("_", "\\u005f"),
        TOKEN.replace("_", "&#95;"),
        TOKEN[:20] + "\n" + TOKEN[20:],
        base64.b64encode(f"token {TOKEN} of jane".encode()).decode(),
    ],
)
def test_however_a_token_is_written_its_place_is_that_of_the_original(written: str) -> None:
    text = f"before {written} after"

    found = MATCHER.findings(text)

    assert [(one.kind, text[one.start : one.end]) for one in found] == [("github-token", written)]


WRITINGS: dict[str, Callable[[str], str]] = {
    "plain": lambda token: token,
    "percent": lambda token: "".join(f"%{ord(sign):02x}" for sign in token),
    "unicode": lambda token: "".join(f"\\u{ord(sign):04x}" for sign in token),
    "entities": lambda token: "".join(f"&#x{ord(sign):x};" for sign in token),
    "base64": lambda token: base64.b64encode(f"token {token} of".encode()).decode(),
    "hex": lambda token: f"token {token}".encode().hex(),
    "full width": lambda token: "".join(chr(ord(sign) + 0xFEE0) for sign in token),
    "coloured": lambda token: f"{token[:9]}\x1b[0m{token[9:]}",
    "no width": lambda token: "\u200b".join(token),
    "bytes": lambda token: ", ".join(str(byte) for byte in f"token {token}".encode()),
}
PROSE = st.lists(
    st.sampled_from(
        ["the", "queue", "a harbor", "ok.", "1 of 2", "\n", "\t", "- done", "caf\u00e9", "\U0001f6a2"]
    ),
    max_size=30,
).map(" ".join)


@pytest.mark.parametrize("writing", WRITINGS)
@settings(max_examples=25, deadline=None)
@given(before=PROSE, behind=PROSE, seed=st.integers(0, 2**32))
def test_every_place_in_every_reading_is_that_of_what_is_written_there(
    writing: str, before: str, behind: str, seed: int
) -> None:
    rng = random.Random(seed)
    written = WRITINGS[writing]("ghp_" + "".join(rng.choices(string.ascii_letters + string.digits, k=36)))
    text = f"{before} {written} {behind}"

    found = [one for one in MATCHER.findings(text) if one.kind == "github-token"]

    assert [text[one.start : one.end] for one in found] == [written]


def test_an_encoding_inside_an_encoding_is_undone() -> None:
    inner = base64.b64encode(f"use {TOKEN} for it".encode()).decode()
    outer = base64.b64encode(f"see {inner} for it".encode()).decode()

    assert [one.kind for one in MATCHER.findings(f"x {outer} y")] == ["github-token"]


@pytest.mark.parametrize("password", ["zI4X8id8xq+2", "vi3etg+qvyNDXa9+6", "9+qTxw4Lm"])
@pytest.mark.parametrize(
    "url", ["mysql+pymysql://app:{}@db.harbor.dev/app", "a=b%20c&d=redis://u1:{}@h.io/0"]
)
def test_a_plus_in_a_login_is_no_space_before_a_mail_address(url: str, password: str) -> None:
    text = url.format(password)

    (found,) = MATCHER.findings(text)

    assert (found.kind, text[found.start : found.end].partition(":")[2]) == ("url-credentials", password)


def test_a_form_without_a_percent_sign_is_still_read() -> None:
    text = f"note=the+password+is+{PASSWORD}+until+noon&to=mara.stone@harbor.dev"

    assert {one.kind for one in MATCHER.findings(text)} == {"assigned-secret", "email"}


@pytest.mark.parametrize(
    "token", ["BIUQF6LSVEFXU7GC3XX2RTZ5", "q8Wn3RtY6uI1oP4aS7dF0gHj", "e3b0c44298fc1c149afbf4c8"]
)
def test_words_around_a_token_of_their_lines_width_are_no_part_of_it(token: str) -> None:
    text = f"first we look at the log\n{token}\nand then we go on with it"
    found = Matcher(ours=OwnValues(Surrogates(b"a town's key"))).findings(text)

    assert [text[one.start : one.end] for one in found] == [token]


def test_a_detector_stands_beside_the_shipped_rules() -> None:
    found = Matcher([berths]).findings(f"{TOKEN} lies at berth-4711 and at berth%2D4711")

    assert [(one.kind, one.tier) for one in found] == [
        ("github-token", Tier.REDACT),
        ("berth", Tier.QUARANTINE),
        ("berth", Tier.QUARANTINE),
    ]


def test_a_candidate_without_voters_is_nothing() -> None:
    assert MATCHER.findings('token: "ab-cd!efgh"') == []


def test_personal_data_is_found_beside_secrets() -> None:
    found = MATCHER.findings(f"{TOKEN} of jane@harbor-yard.net")

    assert [(one.kind, one.name) for one in found] == [
        ("github-token", ""),
        ("email", "jane@harbor-yard.net"),
    ]


@pytest.mark.parametrize(
    "written",
    [
        b"maple_rocket37".hex(),
        b"maple_rocket37".hex(" "),
        b"maple_rocket37".hex(":"),
        ", ".join(f"{byte:#04x}" for byte in b"maple_rocket37"),
    ],
)
def test_a_value_in_code_is_read_with_what_names_it(written: str) -> None:
    text = f"see the notes\nthe password for the wiki is {written}\nand go on"

    places = [(one.start, one.end) for one in Matcher().findings(text) if one.tier is Tier.REDACT]

    assert places == [(text.index(written), text.index(written) + len(written))]
    assert not Matcher().findings(f"see {written} there")


@pytest.mark.parametrize("name", ["the password is", 'password="', "password:", "-p"])
def test_a_value_with_spaces_between_its_signs_goes_without_the_words_around_it(name: str) -> None:
    spaced = " ".join("maple_rocket37")
    text = f"mysql and {name} {spaced} and go on"

    (one,) = [one for one in Matcher().findings(text) if one.tier is Tier.REDACT]

    assert text[one.start : one.end].replace(" ", "") == "maple_rocket37"


def test_digits_of_a_dump_are_nobodys_number() -> None:
    dump = (
        "00000000: 2020 2d20 3264 6363 3332 6364 3331 3439    - 2dcc32cd3149\n"
        "00000010: 3534 6233 6333 3038 6237 3236 6662 6332  54b3c308b726fbc2\n"
    )

    assert [one.kind for one in MATCHER.findings("3534 6233 6333 3038")] == ["card"]
    assert MATCHER.findings(dump) == []


@pytest.mark.parametrize("digits", ["5d8325aa", "b6eebaf0"])
def test_what_looks_random_goes_on_behind_a_full_line(digits: str) -> None:
    line = "curl -H 'X-Header: 7313662bad005e70e4afe0ef93b2865fcbabb72f28c61a68aed9d9260"
    text = f"look at it\n{line}\n{digits}' https://a.io\nand go on"
    (found,) = Matcher(ours=OwnValues(Surrogates(b"a town's key"))).findings(text)

    assert text[found.start : found.end] == f"{line[19:]}\n{digits}"


def test_a_password_in_quotes_goes_on_behind_a_full_line() -> None:
    line = "CREATE USER MAPPING FOR app SERVER s OPTIONS (user 'app', password 'cN0cidZb"
    text = f"look at it\n{line}\nTq8x9');\nand go on"

    assert [text[one.start : one.end] for one in MATCHER.findings(text)] == ["cN0cidZb\nTq8x9"]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("- name: API_KEY\n  value: LXXpj\x1b[0m\x1b[1;31mubNhK4A1", "LXXpj\x1b[0m\x1b[1;31mubNhK4A1"),
        ("vault+login+Harbor.1993+then", "Harbor.1993"),
    ],
)
def test_what_names_a_value_is_seen_in_every_reading(text: str, value: str) -> None:
    assert [text[one.start : one.end] for one in MATCHER.findings(text)] == [value]
