# SPDX-License-Identifier: Apache-2.0
import base64
import json
import random
import string
from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node0.finetune.corpus.scrub.finding import Tier
from node0.finetune.corpus.scrub.readings.reading_table import rewritten, text_blobs
from node0.finetune.corpus.scrub.surrogates import Surrogates
from node0.finetune.corpus.scrub.text_scrubber import TextScrubber

WITH_SURROGATES = TextScrubber(voters=(), surrogates=Surrogates(b"a town's key"))
SCRUBBERS = {"surrogates": WITH_SURROGATES, "placeholders": TextScrubber(voters=())}


def a_dump(text: str) -> str:
    data = text.encode()
    rows = [data[at : at + 16] for at in range(0, len(data), 16)]
    return "\n".join(f"{number * 16:08x}: {row.hex(' ')}" for number, row in enumerate(rows))


READINGS: dict[str, Callable[[str], str]] = {
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "base64 of URLs": lambda text: base64.urlsafe_b64encode(text.encode()).decode().rstrip("="),
    "base64 in lines": lambda text: base64.encodebytes(text.encode()).decode().rstrip("\n"),
    "base64 of base64": lambda text: base64.b64encode(base64.b64encode(text.encode())).decode(),
    "base64 of UTF-16": lambda text: base64.b64encode(text.encode("utf-16-le")).decode(),
    "hex": lambda text: text.encode().hex(),
    "hex of bytea": lambda text: "\\x" + text.encode().hex(),
    "bytes": lambda text: text.encode().hex(" "),
    "a dump": a_dump,
    "numbers": lambda text: str(list(text.encode())),
    "UTF-16": lambda text: text.encode("utf-16-le").decode("latin-1"),
    "UTF-16 in JSON": lambda text: json.dumps(text.encode("utf-16-be").decode("latin-1")),
    "UTF-16 of cat": lambda text: text.encode("utf-16-le").decode("latin-1").replace("\0", "^@"),
    "four digits": lambda text: "".join(f"\\u{ord(sign):04x}" for sign in text),
    "braces": lambda text: "".join(f"\\u{{{ord(sign):x}}}" for sign in text),
    "eight digits": lambda text: "".join(f"\\U{ord(sign):08x}" for sign in text),
    "octal": lambda text: "".join(f"\\{ord(sign):03o}" for sign in text),
    "escape()": lambda text: "".join(f"%u{ord(sign):04X}" for sign in text),
    "entities": lambda text: "".join(f"&#{ord(sign)};" for sign in text),
    "entities in hex": lambda text: "".join(f"&#x{ord(sign):x};" for sign in text),
    "spaced": " ".join,
    "full width": lambda text: "".join(
        chr(ord(sign) + 0xFEE0) if "!" <= sign <= "~" else sign for sign in text
    ),
    "CSV": lambda text: '1,"' + text.replace('"', '""') + '",2',
}


def a_secret(seed: int) -> tuple[str, str]:
    """A text, and the value in it."""
    rng = random.Random(seed)
    value = "".join(rng.choices(string.ascii_letters + string.digits, k=rng.randint(18, 40)))
    template = rng.choice(
        [
            'api_token: "{}" # of the harbor',
            "https://jane:{}@harbor-yard.net/x",
            "Authorization: Bearer {} ok",
            "export DB_PASSWORD={}\nPORT=3000",
        ]
    )
    return template.format(value), value


@pytest.mark.parametrize("reading", READINGS)
@pytest.mark.parametrize("stand_in", SCRUBBERS)
@pytest.mark.parametrize("seed", range(8))
def test_a_secret_goes_in_every_reading_and_nothing_around_it(reading: str, stand_in: str, seed: int) -> None:
    text, value = a_secret(seed)
    write, scrubber = READINGS[reading], SCRUBBERS[stand_in]
    before, after = "first line\n", "\nand the last"

    scrubbed, _ = scrubber.scrub(f"{before}{write(text)}{after}")

    assert scrubbed.startswith(before)
    assert scrubbed.endswith(after)
    assert write(value)[3:-3] not in scrubbed
    assert all(value not in blob.text for blob in text_blobs(scrubbed))
    assert scrubber.scrub(scrubbed)[0] == scrubbed


@pytest.mark.parametrize("reading", READINGS)
def test_personal_data_goes_in_every_reading(reading: str) -> None:
    written = READINGS[reading]("please write to jane.doe@harbor-yard.net about it")

    scrubbed, found = WITH_SURROGATES.scrub(f"see\n{written}\nend")

    assert found
    assert READINGS[reading]("jane.doe@harbor-yard")[6:-6] not in scrubbed


@pytest.mark.parametrize("reading", READINGS)
def test_ordinary_words_stay_in_every_reading(reading: str) -> None:
    written = READINGS[reading]("please look at the log of the witness, and go on with the next one")

    assert WITH_SURROGATES.scrub(written) == (written, [])


@pytest.mark.parametrize("reading", READINGS)
@pytest.mark.parametrize("seed", range(4))
def test_every_finding_covers_what_says_the_value(reading: str, seed: int) -> None:
    text, value = a_secret(seed)
    written = READINGS[reading](text)

    found = [one for one in WITH_SURROGATES.findings(written) if one.tier is Tier.REDACT]

    assert found
    assert all(one.end <= two.start for one, two in pairwise(found))
    assert all(0 <= one.start < one.end <= len(written) for one in found)
    rest = "".join(written[one.end : two.start] for one, two in pairwise([found[0]._replace(end=0), *found]))
    assert READINGS[reading](value)[3:-3] not in rest + written[found[-1].end :]


@given(st.text(st.characters(exclude_categories=["Cc", "Cs", "Co"]), max_size=80))
def test_what_is_written_anew_is_read_as_it_was_changed(text: str) -> None:
    coded = base64.b64encode(f"words to begin with {text}".encode()).decode()
    (blob,) = text_blobs(f"({coded})")

    changed = rewritten(coded, lambda inside: inside + " and more")

    assert changed
    assert base64.b64decode(changed).decode() == f"words to begin with {text} and more"
    assert blob.text.startswith("words to begin with")
