# SPDX-License-Identifier: Apache-2.0
import random
import string

import pytest
from handed_over_lines import CALLS, VALUES, assert_only_the_value_goes

from node0.finetune.corpus.scrub.text_scrubber import TextScrubber

SCRUBBER = TextScrubber(voters=())


@pytest.mark.parametrize("line", CALLS)
@pytest.mark.parametrize("value", VALUES)
def test_what_a_line_hands_over_goes_and_the_lines_around_it_stay(line: str, value: str) -> None:
    assert_only_the_value_goes(line, value)


@pytest.mark.parametrize(
    "line", ["define('SECURE_KEY',  '{}');", "'yard_salt' => '{}',", "c['A_KEY'] = '{}';"]
)
def test_a_generated_key_of_any_signs_goes(line: str) -> None:
    rng = random.Random(line)
    for _ in range(50):
        signs = string.ascii_letters + string.digits + "!@#%^*-_=+|{}[];:,.<>? "
        value = "a" + "".join(rng.choice(signs) for _ in range(62)) + "7"

        assert value[5:60] not in SCRUBBER.scrub(line.replace("{}", value))[0]


@pytest.mark.parametrize(
    "line",
    [
        "define('UNIQUE_KEY', 'put a phrase of your own here');",
        "'sort_key' => 'created_at',",
        "login('harbor', 'sha512')",
        'authorize("reader", "bob@harbor-yard.net")',
        'size = String("block-07")',
        "hmac.new(key, message, hashlib.sha256)",
    ],
)
def test_arguments_that_are_no_secret_stay(line: str) -> None:
    text = SCRUBBER.scrub(line)[0]

    assert text == line or text == line.replace("bob@harbor-yard.net", "[EMAIL_1]")


@pytest.mark.parametrize(
    "declared",
    [
        "const unsigned char mac_key[8] = {%s};",
        "const SECRET: [u8; 8] = [%s];",
        "var signKey = []byte{%s}",
        "byte[] salt = new byte[] { %s };",
    ],
)
def test_the_bytes_of_a_key_go_and_a_sequence_stays(declared: str) -> None:
    key = "0x1f, 0x83, 0x02, 0xd9, 0x44, 0x7b, 0xa0, 0x6e"
    sequence = ", ".join(f"0x{number:02x}" for number in range(8))

    assert "0xd9, 0x44" not in SCRUBBER.scrub(declared % key)[0]
    assert SCRUBBER.scrub(declared % sequence)[0] == declared % sequence


def test_the_words_of_a_wallet_go_and_a_sentence_stays() -> None:
    words = "lamp river stone cloud apple tiger motor piano glass honey robot winter"
    sentence = "seed = words of a wallet are kept apart from what it holds and read by nobody"

    assert "tiger motor" not in SCRUBBER.scrub(f'"mnemonic": "{words}"')[0]
    assert SCRUBBER.scrub(sentence)[0] == sentence
