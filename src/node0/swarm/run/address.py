# SPDX-License-Identifier: Apache-2.0
"""Peer addresses as libp2p multiaddresses over TCP: /ip4/10.0.0.5/tcp/4100/p2p/Qm..."""

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass

from node0.errors import ConfigError

_ADDRESS = re.compile(r"/(ip4|ip6|dns|dns4|dns6)/([^/\s]+)/tcp/([0-9]{1,5})(?:/p2p/([^/\s]+))?", re.ASCII)
_HOST_NAME = re.compile(r"(?=.{1,253}$)[A-Za-z0-9]([A-Za-z0-9-]{0,62}\.)*[A-Za-z0-9-]{0,63}", re.ASCII)
_PEER_ID = re.compile(r"Qm[1-9A-HJ-NP-Za-km-z]{44}", re.ASCII)
"base58 of an RSA key's sha256 multihash, the only kind that hivemind makes."


@dataclass(frozen=True, slots=True)
class Address:
    """A TCP port of a machine and, once it is known, whose it is."""

    protocol: str
    host: str
    port: int
    peer_id: str | None = None

    def __str__(self) -> str:
        owner = f"/p2p/{self.peer_id}" if self.peer_id is not None else ""
        return f"/{self.protocol}/{self.host}/tcp/{self.port}{owner}"

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach it."""
        if self.protocol.startswith("dns"):
            return self.host == "localhost"
        return ipaddress.ip_address(self.host).is_loopback

    def of(self, peer_id: str) -> "Address":
        """This address as that peer's."""
        return Address(self.protocol, self.host, self.port, peer_id)


def parse_address(text: str) -> Address:
    """Read a multiaddress.

    Raises:
        ConfigError: it is no address over TCP.
    """
    found = _ADDRESS.fullmatch(text)
    if found is None:
        raise ConfigError(f"cannot read address {text!r}; write it as /ip4/10.0.0.5/tcp/4100")
    protocol, host, port, peer_id = found.groups()
    if not _is_host(protocol, host) or int(port) > 65535:
        raise ConfigError(f"address {text!r} names no {protocol} host and port; write /ip4/10.0.0.5/tcp/4100")
    return Address(protocol, host, int(port), check_peer_id(peer_id) if peer_id is not None else None)


def parse_seed(text: str) -> Address:
    """Read the address of a peer to join by; it must say whose it is, or anyone could answer there.

    Raises:
        ConfigError: it is no address, or has no peer id or no port.
    """
    if "/p2p/" not in text:
        raise ConfigError(
            f"seed {text!r} has no peer id; run on that machine: node0 swarm address RUN STAGE, "
            "and give the whole line that it prints"
        )
    address = parse_address(text)
    if address.port == 0:
        raise ConfigError(f"seed {text!r} has port 0; give the port on which the peer listens")
    return address


def check_peer_id(text: str) -> str:
    """The peer id as it came.

    Raises:
        ConfigError: it is none.
    """
    if not _PEER_ID.fullmatch(text):
        raise ConfigError(f"{text!r} is no peer id; one is 46 characters and begins with Qm")
    return text


def address_of_host(host: str, port: int) -> Address:
    """The address of `host`, which is an IP address or a name, at a port.

    Raises:
        ConfigError: it is neither.
    """
    try:
        protocol = f"ip{ipaddress.ip_address(host).version}"
    except ValueError:
        protocol = "dns4"
    return parse_address(f"/{protocol}/{host}/tcp/{port}")


def same_port(listening: Sequence[str], visible: Sequence[str]) -> list[str]:
    """Where to listen to be found again: the port that the system chose in place of 0, where that is plain.

    `listening` is what was asked for, and `visible` where the peer was found.
    """
    found = {match[3] for each in visible if (match := _ADDRESS.fullmatch(each))}
    if len(found) != 1:
        return list(listening)
    (port,) = found
    return [
        f"{each.removesuffix('/tcp/0')}/tcp/{port}" if each.endswith("/tcp/0") else each for each in listening
    ]


def _is_host(protocol: str, host: str) -> bool:
    if protocol.startswith("dns"):
        # What ends in a number is an IP address or nothing (RFC 1123, section 2.1).
        return _HOST_NAME.fullmatch(host) is not None and not host.rpartition(".")[2].isdecimal()
    try:
        # A zone, as in fe80::1%eth0, is another kind of multiaddress.
        return "%" not in host and ipaddress.ip_address(host).version == int(protocol[-1])
    except ValueError:
        return False
