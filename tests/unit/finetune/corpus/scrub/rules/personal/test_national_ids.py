# SPDX-License-Identifier: Apache-2.0
import pytest

from node0.finetune.corpus.scrubber import CorpusScrubber

SCRUBBER = CorpusScrubber(voters=())


@pytest.mark.parametrize(
    ("before", "number"),
    [
        ("Steuer-ID: ", "47036892816"),
        ("DNI ", "87654321X"),
        ("mi NIE es ", "Y7654321G"),
        ("CPF: ", "390.533.447-05"),
        ("PESEL ", "90090515836"),
        ("my BSN is ", "232262536"),
        ("codice fiscale: ", "VRDGNN85M01F205K"),
        ("NIR: ", "2 91 03 75 114 022 51"),
        ("passport number ", "K7740192L"),
        ("ИНН ", "7707083893"),
        ("身份证号：", "320311770706001"),
    ],
)
def test_a_number_goes_behind_what_a_state_calls_it(before: str, number: str) -> None:
    assert (
        SCRUBBER.scrub(f"{before}{number}, that is all")[0] == f"{before}[REDACTED:national-id], that is all"
    )


@pytest.mark.parametrize(
    "text",
    [
        "the dni field takes 9 signs",
        "passport number is required",
        "inn 3 of the table",
        "nir 2026-01-05 06:17",
        "midnight 12345678",
        "tax id column: VARCHAR(11)",
    ],
)
def test_what_is_said_about_them_stays(text: str) -> None:
    assert SCRUBBER.scrub(text)[0] == text
