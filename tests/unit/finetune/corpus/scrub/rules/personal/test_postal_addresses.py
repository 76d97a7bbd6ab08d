# SPDX-License-Identifier: Apache-2.0
import pytest

from node0.finetune.corpus.scrubber import CorpusScrubber

SCRUBBER = CorpusScrubber(voters=())


@pytest.mark.parametrize(
    ("before", "address"),
    [
        ("ship it to ", "77 Birch Lane, Dayton, OH 45402"),
        ("my address is ", "4 Granite Close, York YO1 7HH"),
        ("ich wohne in der ", "Birkenstraße 9, 24103 Kiel"),
        ("Adresse: ", "18 rue du Port, 44000 Nantes"),
        ("indirizzo: ", "via Garibaldi 12, 16124 Genova"),
    ],
)
def test_where_somebody_lives_goes(before: str, address: str) -> None:
    assert SCRUBBER.scrub(f"{before}{address}.")[0] == f"{before}[REDACTED:address]."


@pytest.mark.parametrize(
    "text",
    [
        "write to the Free Software Foundation, 51 Franklin Street, Fifth Floor, Boston, MA 02110-1301",
        "BeOpen, having an office at 160 Saratoga Avenue, Santa Clara, CA 95051",
        "the address 127.0.0.1 is taken",
        "home is at line 12 of the Way Place enum",
    ],
)
def test_of_organisations_and_in_code_they_stay(text: str) -> None:
    assert SCRUBBER.scrub(text)[0] == text
