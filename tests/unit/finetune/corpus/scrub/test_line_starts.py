# SPDX-License-Identifier: Apache-2.0
import random
import string

import pytest

from node0.finetune.corpus.scrub.line_starts import begins_anew
from node0.finetune.corpus.scrub.text_scrubber import TextScrubber

LINES = [
    "PORT=3000",
    "port = 80",
    "REDIS_URL=redis://cache:6379",
    "server.port=8080",
    "LOG_LEVEL: info",
    '"port": 3000,',
    "export DEBUG=1",
    "127.0.0.1:6379",
    "2026-01-05T06:17:00Z start",
    "https://harbor-yard.net/x",
    "/usr/bin/python3 main.py",
    "gt-abc12 open",
    "v1.2.3",
    "--verbose",
    "1. first",
    "[section]",
    "</tag>",
    "}",
    "$ ls",
    "import os",
    "def main():",
    "self.assertEqual(x)",
    "TestFoo123 passed",
    "comment",
]
SCRUBBER = TextScrubber(voters=())


@pytest.mark.parametrize("line", LINES)
def test_what_has_a_form_of_its_own_begins_anew(line: str) -> None:
    assert begins_anew(line, 0)


def test_a_short_value_and_the_line_before_an_address_take_nothing_with_them() -> None:
    for text in (
        "password_timeout = 131ms\npassword = os.environ['X_PASSWORD']\n",
        "return self.timber_token\nhttps://user:password@localhost:528/sparrow\nx = 1\n",
    ):
        assert SCRUBBER.scrub(text) == (text, [])


def test_pieces_of_tokens_do_not_begin_anew() -> None:
    rng = random.Random(7)
    signs = string.ascii_letters + string.digits + "-_"
    pieces = ["".join(rng.choice(signs) for _ in range(rng.randint(6, 40))) for _ in range(5000)]

    assert sum(begins_anew(piece, 0) for piece in pieces) <= 0.005 * len(pieces)


@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize("name", ["DB_PASSWORD", "API_TOKEN", "SECRET_KEY"])
def test_the_line_after_a_secret_stays_whatever_its_width(name: str, line: str) -> None:
    rng = random.Random(f"{name} {line}")
    for length in range(9, 48):
        secret = "".join(rng.choice(string.ascii_letters + string.digits) for _ in range(length - 2)) + "aZ7"
        for before in ("", "APP=demo\n"):
            scrubbed, _ = SCRUBBER.scrub(f"{before}{name}={secret}\n{line}\nlast\n")

            assert secret not in scrubbed
            assert scrubbed.endswith(f"\n{line}\nlast\n")
