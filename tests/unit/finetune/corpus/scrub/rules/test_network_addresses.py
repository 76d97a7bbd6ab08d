# SPDX-License-Identifier: Apache-2.0
import pytest
from hypothesis import given
from hypothesis import strategies as st

from node0.finetune.corpus.scrub.finding import Tier
from node0.finetune.corpus.scrub.rules.network_addresses import addresses


@pytest.mark.parametrize(
    ("text", "kind", "place", "name"),
    [
        ("from 93.184.216.34:80", "ip", "93.184.216.34", "93.184.216.34"),
        ("at 10.0.3.4.", "private-ip", "10.0.3.4", "10.0.3.4"),
        ("ping 2A00:1450:0:0:0:0:0:200E x", "ip", "2A00:1450:0:0:0:0:0:200E", "2a00:1450::200e"),
        ("ether 00:1B:44:11:3a:b7", "mac", "00:1B:44:11:3a:b7", "00:1b:44:11:3a:b7"),
        ("ether 00-1B-44-11-3A-B8", "mac", "00-1B-44-11-3A-B8", "00-1b-44-11-3a-b8"),
    ],
)  # fmt: skip
def test_an_address_is_named_in_its_one_form(text: str, kind: str, place: str, name: str) -> None:
    (found,) = addresses(text)

    assert (found.kind, found.tier, text[found.start : found.end], found.name) == (
        kind, Tier.REDACT, place, name
    )  # fmt: skip


@pytest.mark.parametrize(
    "text",
    ["127.0.0.1", "0.0.0.0", "255.255.255.0", "192.0.2.7", "version 10.0.1.2", "2001:db8::1:1"],
)
def test_an_address_of_nobody_and_a_version_stay(text: str) -> None:
    assert [found.tier for found in addresses(text)] == [Tier.KEEP]


@pytest.mark.parametrize(
    "text", ["999.1.1.1", "1.2.3", "v1.2.3.4", "1.2.3.4.5", "12:34:56", "std::vector<a::b>"]
)
def test_what_is_no_address_is_not_found(text: str) -> None:
    assert list(addresses(text)) == []


@given(st.ip_addresses(v=4))
def test_every_address_of_four_numbers_is_seen(address: object) -> None:
    text = f"at {address} now"

    assert [text[found.start : found.end] for found in addresses(text)] == [str(address)]


@given(st.text(alphabet="0123456789abcdef:.-% ", max_size=60))
def test_any_text_is_searched_and_places_lie_inside_it(text: str) -> None:
    assert all(0 <= found.start < found.end <= len(text) for found in addresses(text))
