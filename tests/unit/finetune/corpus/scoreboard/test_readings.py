# SPDX-License-Identifier: Apache-2.0
import base64
import html
import json
import re
import urllib.parse

import pytest

from node0.finetune.corpus.scoreboard.case import Case, case_of
from node0.finetune.corpus.scoreboard.draws import Draw
from node0.finetune.corpus.scoreboard.readings import READINGS
from node0.finetune.corpus.scoreboard.score import POSITIVES, shows

CASE = case_of("files", 'first "line"\npassword = {v} & more <b>\nlast', "aB3!dE5+gH7/jK9=mN1")
BACK = {
    "plain": str,
    "JSON": lambda text: json.loads(f'"{text}"'),
    "JSON in JSON": lambda text: json.loads('"' + json.loads(f'"{text}"') + '"'),
    "URL": urllib.parse.unquote,
    "form": urllib.parse.unquote_plus,
    "HTML": html.unescape,
    "unicode escapes": lambda text: re.sub(r"\\u(....)", lambda found: chr(int(found[1], 16)), text),
    "base64": lambda text: base64.b64decode(text).decode(),
    "hex": lambda text: bytes.fromhex(text).decode(),
    "UTF-16": lambda text: text.encode("latin-1").decode("utf-16-le"),
    "CSV": lambda text: text.replace('""', '"'),
    "coloured": lambda text: re.sub(r"\x1b\[[\d;]*m", "", text),
    "xxd": lambda text: bytes.fromhex("".join(line[10:49] for line in text.split("\n"))).decode(),
    "diff": lambda text: re.sub(r"(?m)^\+", "", text.partition("\n")[2]),
}


@pytest.mark.parametrize("reading", BACK)
def test_what_is_written_can_be_read_back(reading: str) -> None:
    assert BACK[reading](READINGS[reading](CASE).text) == CASE.text


@pytest.mark.parametrize("reading", READINGS)
@pytest.mark.parametrize("kind", POSITIVES)
def test_what_is_written_shows_its_value(reading: str, kind: str) -> None:
    for number in range(10):
        written = READINGS[reading](POSITIVES[kind](Draw(f"{kind} {number}")))

        assert shows(written.text, written.pieces)


def test_base64_pieces_are_those_of_the_value_alone() -> None:
    case = Case("files", "a", "0123456789", "z", "0123456789")
    text, pieces = READINGS["base64"](case)

    assert base64.b64decode(pieces[0]).decode() in case.value
    assert pieces[0] in text


@pytest.mark.parametrize("reading", READINGS)
def test_no_reading_is_shown_by_what_stands_beside_the_value(reading: str) -> None:
    case = Case("personal data", "cd ~", "gwen", "/work then", "gwen")
    _, pieces = READINGS[reading](case)

    assert all("".join(piece) for piece in pieces)
    assert not shows("first then the next one", pieces)


def test_a_sign_of_hex_is_a_byte() -> None:
    _, pieces = READINGS["hex"](CASE)

    assert bytes.fromhex("".join(pieces[0])).decode() == CASE.value
    assert len(pieces[0]) == len(CASE.value)
