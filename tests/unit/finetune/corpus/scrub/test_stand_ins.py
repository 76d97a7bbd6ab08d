# SPDX-License-Identifier: Apache-2.0
import base64
import json
import random
import string
import urllib.parse
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from node0.finetune.corpus.schema import CorpusEntry
from node0.finetune.corpus.scrub.stand_ins import OwnValues
from node0.finetune.corpus.scrub.surrogates import Surrogates
from node0.finetune.corpus.scrubber import CorpusScrubber

SURROGATES = Surrogates(b"a town's key")
SCRUBBER = CorpusScrubber(voters=(), surrogates=SURROGATES)
TOKEN = "ghp_0123456789abcdefABCDEF0123456789wxyz"
CODED = base64.b64encode(f"key is {TOKEN} ok".encode()).decode()
COMMIT = "3f786850e387550fdab836ed7e6dc881de23001b"


def an_entry(*texts: str) -> CorpusEntry:
    return CorpusEntry(
        id="a", role="polecat", rig="r", task_type="t", outcome="o", created_at="",
        messages=[{"role": "user", "content": text} for text in texts],
        systems={"0123456789abcde1": "You see " + TOKEN}, toolsets={"f0e1d2c3b4a59687": [{"name": "Bash"}]},
    )  # fmt: skip


def contents(entry: CorpusEntry) -> list[str]:
    return [message["content"] for message in entry.messages]


def test_a_value_has_one_surrogate_in_whatever_encoding_and_place() -> None:
    entry = SCRUBBER.scrub_entry(
        an_entry(
            f"use {TOKEN}",
            urllib.parse.quote(f"a={TOKEN}&b", safe=""),
            base64.b64encode(f"key is {TOKEN} ok".encode()).decode(),
            json.dumps({"token": TOKEN}),
            f"wrapped {TOKEN[:20]}\n{TOKEN[20:]}",
        )
    ).entry

    plain, quoted, encoded, structured, wrapped = contents(entry)
    surrogate = plain.removeprefix("use ")
    assert surrogate != TOKEN
    assert surrogate.startswith("ghp_")
    assert urllib.parse.unquote(quoted) == f"a={surrogate}&b"
    assert base64.b64decode(encoded).decode() == f"key is {surrogate} ok"
    assert json.loads(structured)["token"] == surrogate
    assert wrapped.replace("\n", "") == f"wrapped {surrogate}"
    assert entry.systems == {"0123456789abcde1": "You see " + surrogate}
    assert list(entry.toolsets) == ["f0e1d2c3b4a59687"]


def test_a_short_hash_stays_the_beginning_of_its_long_one_also_before_it() -> None:
    short, long = contents(SCRUBBER.scrub_entry(an_entry(f"git show {COMMIT[:7]}", f"commit {COMMIT}")).entry)

    assert COMMIT[:7] not in short + long
    assert long.removeprefix("commit ").startswith(short.removeprefix("git show "))


def test_what_was_found_once_goes_everywhere() -> None:
    texts = contents(
        SCRUBBER.scrub_entry(an_entry("then type hunter2x.", "DB_PASSWORD=hunter2x", "hunter2xy")).entry
    )

    assert texts == [
        "then type [REDACTED:assigned-secret].",
        "DB_PASSWORD=[REDACTED:assigned-secret]",
        "hunter2xy",
    ]


def test_no_surrogate_is_a_value_of_the_entry() -> None:
    value = "aB3dE5gH7jK9mN1pQ3rS5tU7"
    taken = SURROGATES.of(value)

    first, second = contents(SCRUBBER.scrub_entry(an_entry(f"use {value} now", f"and {taken} too")).entry)

    assert second == f"and {taken} too"
    assert value not in first
    assert taken not in first


def test_ids_that_tie_a_call_to_its_result_stay() -> None:
    call = {
        "type": "tool_use",
        "id": "toolu_01A09q90qw90lq917835lq9",
        "name": "Bash",
        "input": {"command": COMMIT},
    }
    result = {"type": "tool_result", "tool_use_id": "toolu_01A09q90qw90lq917835lq9", "content": "ok"}
    entry = an_entry("x").model_copy(
        update={"messages": [{"role": "assistant", "content": [call]}, {"role": "user", "content": [result]}]}
    )

    scrubbed = SCRUBBER.scrub_entry(entry).entry

    assert (
        scrubbed.messages[0]["content"][0]["id"]
        == scrubbed.messages[1]["content"][0]["tool_use_id"]
        == call["id"]
    )
    assert scrubbed.messages[0]["content"][0]["input"]["command"] != COMMIT
    assert SCRUBBER.audit_entry(scrubbed) == []


def test_keys_in_blocks_and_personal_data_get_placeholders() -> None:
    body = "\n".join("aB3dE5gH7jK9mN1p" * 4 for _ in range(3))
    text = f"-----BEGIN RSA PRIVATE KEY-----\n{body}\n-----END RSA PRIVATE KEY-----\nof jane@harbor-yard.net"

    assert SCRUBBER.scrub(text)[0] == "[REDACTED:private-key]\nof [EMAIL_1]"


PIECES = st.sampled_from(
    [
        TOKEN,
        COMMIT,
        COMMIT[:7],
        "AKIAZQ3DRSTUVWXYZ234",
        "aB3dE5gH7jK9mN1pQ3rS5tU7",
        "123e4567-e89b-12d3-a456-426614174000",
        "4111 1111 1111 1111",
        "DE89370400440532013000",
        "DB_PASSWORD=",
        "token: ",
        '"',
        "\n",
        "\\n",
        "%3D",
        " ",
        "\\",
        "/",
        "://a:",
        "@b.io",
        "\x1b[0m",
        "[EMAIL_1]",
        "[REDACTED:x]",
        "word",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0",
        CODED,
    ]
)
TEXTS = st.lists(st.one_of(PIECES, st.text(max_size=10)), max_size=14).map("".join)


@settings(max_examples=250, deadline=None)
@given(TEXTS)
@example(f'"word{CODED}=Y9_=_cY4111 1111 1111 1111123e4567-e89b-12d3-a456-426614174000\x1b[0m4111')
@example(f"/:token: DB_PASSWORD={CODED}token: ://a:")
@example(f"3f78685@b.io{TOKEN}")
@example(f"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0\x1b[0m{TOKEN}")
def test_scrubbing_twice_is_scrubbing_once(text: str) -> None:
    found = SCRUBBER.findings(text)
    assert all(one.end <= two.start for one, two in pairwise(found))
    assert all(0 <= one.start < one.end <= len(text) for one in found)

    once, _ = SCRUBBER.scrub(text)

    assert SCRUBBER.scrub(once)[0] == once


@pytest.mark.parametrize("seed", range(40))
def test_a_stand_in_behind_a_backslash_is_known_again(seed: int) -> None:
    rng = random.Random(seed)
    alphabet = rng.choice([string.hexdigits[:16], string.ascii_letters + string.digits])
    value = "".join(rng.choices(alphabet, k=rng.randint(16, 40)))
    once, _ = SCRUBBER.scrub(f"in C:\\{value} now")

    assert SCRUBBER.scrub(once)[0] == once


@pytest.mark.parametrize("seed", range(40))
def test_an_entry_scrubbed_twice_is_as_once(seed: int) -> None:
    rng = random.Random(seed)
    signs = string.ascii_letters + string.digits
    values = ["".join(rng.choices(signs, k=rng.randint(8, 50))) for _ in range(4)]
    texts = [
        rng.choice(["X_TOKEN={}", "see {}", '"password": "{}"', "https://a:{}@b.io"]).format(value)
        for value in values * 2
    ]

    once = SCRUBBER.scrub_entry(an_entry(*texts)).entry

    assert SCRUBBER.scrub_entry(once).entry == once
    assert SCRUBBER.audit_entry(once) == []


def test_only_what_is_ours_is_known_as_ours() -> None:
    surrogate, ours = SURROGATES.of("aB3dE5gH7jK9mN1pQ3rS5tU7"), OwnValues(SURROGATES)

    assert ours.is_one(surrogate)
    assert ours.are_all(f"session={surrogate}; theme=dark")
    assert not ours.is_one(f"session={surrogate}")
    assert not ours.are_all(f"{surrogate} and Zx81kQpLm42")
    assert not ours.are_all("session=dark")


def test_a_surrogate_in_pieces_is_still_one_when_it_is_seen_again() -> None:
    rng = random.Random(5)
    signs = string.ascii_letters + string.digits + "+/_-"
    values = ["".join(rng.choices(signs, k=48)) for _ in range(300)]
    hashes = ["".join(rng.choices(string.hexdigits[:16], k=64)) for _ in range(40)]
    broken = [f"{value[:32]}\x1b[0m\x1b[1;31m{value[32:]}" for value in hashes]
    once = [SCRUBBER.scrub(f"got {text} | ok")[0] for text in (*values, *broken)]
    again = CorpusScrubber(voters=(), surrogates=Surrogates(b"a town's key"))

    assert [again.scrub(text)[0] for text in once] == once


@pytest.mark.parametrize("count", [1, 20, 100])
@pytest.mark.parametrize(
    "written", ["{}", "sum={};", '"sum":"{}",', "seen:\\n{}\\n", "/objects/{}?page=2", "<{}>"]
)
@pytest.mark.parametrize("in_pieces", [False, True])
def test_of_few_or_many_values_none_gets_one_that_the_entry_holds(
    count: int, written: str, in_pieces: bool
) -> None:
    values = [f"{number:04x}{random.Random(number).getrandbits(144):036x}" for number in range(count)]
    if in_pieces:
        values = ["-".join((one[:8], one[8:16], one[16:24], one[24:32], one[32:])) for one in values]
    first_choice = [SURROGATES.of(value) for value in values]
    text = "\n".join(f"commit {value}" for value in values)
    others = " ".join(written.format(value) for value in first_choice)

    alone, beside = contents(SCRUBBER.scrub_entry(an_entry(text, others)).entry)

    assert not set(alone.split()) & {*values, *first_choice}
    assert beside == others


@pytest.mark.parametrize("count", [3, 100])
def test_of_few_or_many_values_each_goes_where_only_its_place_there_gave_it_away(count: int) -> None:
    values = [f"{random.Random(number).getrandbits(40):010x}-7" for number in range(count)]
    named = "\n".join(f'password="{value}!"' for value in values)

    _, bare = contents(
        SCRUBBER.scrub_entry(an_entry(named, " ".join(f"({value}!)" for value in values))).entry
    )

    assert not any(value in bare for value in values)
