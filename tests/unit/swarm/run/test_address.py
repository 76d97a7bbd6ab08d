# SPDX-License-Identifier: Apache-2.0
import pytest

from node0.errors import ConfigError
from node0.swarm.run.address import Address, address_of_host, parse_address, parse_seed, same_port

PEER = "QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N"


@pytest.mark.parametrize(
    "text",
    [
        "/ip4/127.0.0.1/tcp/4100",
        "/ip4/0.0.0.0/tcp/0",
        f"/ip6/fe80::1/tcp/65535/p2p/{PEER}",
        f"/dns4/gpu-1.example/tcp/4100/p2p/{PEER}",
    ],
)
def test_an_address_reads_back_as_it_was_written(text: str) -> None:
    assert str(parse_address(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        "127.0.0.1:4100",
        "/ip4/127.0.0.1",
        "/ip4/127.0.0.1/udp/4100/quic-v1",
        "/ip4/1.2.3/tcp/4100",
        "/ip4/::1/tcp/4100",
        "/ip6/fe80::1%eth0/tcp/4100",
        "/dns4/-oProxyCommand=x/tcp/4100",
        "/ip4/127.0.0.1/tcp/65536",
        "/ip4/127.0.0.1/tcp/4100/p2p/Qmx",
        "/dns4/-x;y/tcp/1",
        "/dns4/999.1.1.1/tcp/1",
        "/dns4/" + "a." * 200 + "b/tcp/1",
        "/ip4/127.0.0.1/tcp/4100\n",
        "",
    ],
)
def test_another_text_is_refused_with_its_value(text: str) -> None:
    with pytest.raises(ConfigError):
        parse_address(text)


@pytest.mark.parametrize("text", ["1.2.3.4:8765", "/ip4/1.2.3.4/tcp/8765"])
def test_a_seed_without_a_peer_id_is_refused_with_the_command_that_prints_it(text: str) -> None:
    with pytest.raises(ConfigError, match=f"seed '{text}' has no peer id; .* node0 swarm address RUN STAGE"):
        parse_seed(text)


def test_a_seed_with_its_peer_id_is_taken() -> None:
    assert parse_seed(f"/ip4/1.2.3.4/tcp/8765/p2p/{PEER}") == Address("ip4", "1.2.3.4", 8765, PEER)


def test_a_host_becomes_an_address_of_its_kind() -> None:
    assert str(address_of_host("10.0.0.5", 1)) == "/ip4/10.0.0.5/tcp/1"
    assert str(address_of_host("::1", 1)) == "/ip6/::1/tcp/1"
    assert str(address_of_host("gpu-1.example", 1)) == "/dns4/gpu-1.example/tcp/1"
    with pytest.raises(ConfigError, match="gpu 1"):
        address_of_host("gpu 1", 1)


def test_loopback_is_known() -> None:
    assert parse_address("/ip4/127.8.0.1/tcp/1").is_loopback
    assert parse_address("/ip6/::1/tcp/1").is_loopback
    assert not parse_address("/ip4/10.0.0.5/tcp/1").is_loopback


@pytest.mark.parametrize(
    ("listening", "visible", "again"),
    [
        (["/ip4/127.0.0.1/tcp/0"], [f"/ip4/127.0.0.1/tcp/4100/p2p/{PEER}"], ["/ip4/127.0.0.1/tcp/4100"]),
        (["/ip4/0.0.0.0/tcp/4100"], [f"/ip4/10.0.0.5/tcp/4100/p2p/{PEER}"], ["/ip4/0.0.0.0/tcp/4100"]),
        (
            ["/ip4/0.0.0.0/tcp/0"],
            [f"/ip4/10.0.0.5/tcp/4100/p2p/{PEER}", f"/ip4/127.0.0.1/tcp/4100/p2p/{PEER}"],
            ["/ip4/0.0.0.0/tcp/4100"],
        ),
        (
            ["/ip4/127.0.0.1/tcp/0", "/ip6/::1/tcp/0"],
            [f"/ip4/127.0.0.1/tcp/4100/p2p/{PEER}", f"/ip6/::1/tcp/4200/p2p/{PEER}"],
            ["/ip4/127.0.0.1/tcp/0", "/ip6/::1/tcp/0"],
        ),
        (["/ip4/127.0.0.1/tcp/0"], [], ["/ip4/127.0.0.1/tcp/0"]),
    ],
)
def test_a_peer_listens_again_where_it_was_found(
    listening: list[str], visible: list[str], again: list[str]
) -> None:
    assert same_port(listening, visible) == again
