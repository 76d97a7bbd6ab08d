# SPDX-License-Identifier: Apache-2.0
"""Find network addresses: IPv4, IPv6 and those of hardware.

Loopback, unspecified, broadcast and documentation addresses name nobody and are kept; so are versions.
"""

import ipaddress
import re
import string
from collections.abc import Iterator
from functools import lru_cache

from node0.finetune.corpus.scrub.finding import Finding, Tier
from node0.finetune.corpus.scrub.rules.word_edges import is_glued

HEX = "0123456789abcdefABCDEFabcdef:"
IPV4 = re.compile(r"\.\d{1,3}\.\d{1,3}\.\d{1,3}", re.ASCII)
"All but its first number: a search is fast where it begins with a sign."

IPV6_CORE = re.compile(r":[0-9A-Fa-f]{0,4}:")
MAC = re.compile(r"[0-9A-Fa-f]{2}(?:([:-])[0-9A-Fa-f]{2})(?:\1[0-9A-Fa-f]{2}){4}")
MAC_DASHED = re.compile(r"-[0-9A-Fa-f]{2}-[0-9A-Fa-f]{2}-")
MAC_DOTTED = re.compile(r"\.[0-9A-Fa-f]{4}\.[0-9A-Fa-f]{4}(?![0-9A-Za-z.])")
DOCUMENTATION = [
    ipaddress.ip_network(net)
    for net in ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32")
]


def addresses(text: str) -> Iterator[Finding]:
    """IPv4 and IPv6 addresses and hardware addresses."""
    if "." in text:
        yield from _dotted(text)
        for match in IPV4.finditer(text):
            first = text[max(0, match.start() - 3) : match.start()]
            start = match.start() - (len(first) - len(first.rstrip(string.digits)))
            # %20 before an address lends it digits; the text without percent signs shows it whole.
            encoded = text[max(0, start - 1) : start] == "%"
            if start < match.start() and not encoded and not is_glued(text, start, match.end(), "."):
                yield from _address(text, start, match.end())
    if ":" in text:
        yield from _colon_runs(text)
    if MAC_DASHED.search(text):
        for match in MAC.finditer(text):
            if match.group(1) == "-" and not is_glued(text, match.start(), match.end(), "-"):
                yield Finding("mac", Tier.REDACT, *match.span(), match.group().lower())


def _dotted(text: str) -> Iterator[Finding]:
    """Hardware addresses in three groups, as Cisco writes them."""
    for match in MAC_DOTTED.finditer(text):
        start = match.start() - 4
        address = text[max(0, start) : match.end()]
        if re.fullmatch(r"(?=.*\d)[0-9A-Fa-f.]{14}", address) and not is_glued(text, start, match.end(), "."):
            yield Finding("mac", Tier.REDACT, start, match.end(), address.lower())


def _colon_runs(text: str) -> Iterator[Finding]:
    found = IPV6_CORE.search(text)
    while found:
        window = text[max(0, found.start() - 40) : found.start()]
        start = found.start() - (len(window) - len(window.rstrip(HEX)))
        end = found.end()
        stretch = text[end : end + 40]
        end += len(stretch) - len(stretch.lstrip(HEX))
        run = text[start:end].rstrip(":") if not text[start:end].endswith("::") else text[start:end]
        end = start + len(run)
        if not is_glued(text, start, end, ""):
            if MAC.fullmatch(run):
                yield Finding("mac", Tier.REDACT, start, end, run.lower())
            elif len(run) >= 6 and ("::" in run or run.count(":") == 7) and run.count(":") >= 3:
                yield from _address(text, start, end)
        found = IPV6_CORE.search(text, max(end, found.end()))


def _address(text: str, start: int, end: int) -> Iterator[Finding]:
    address = _known_address(text[start:end])
    if address is None:
        return
    version = re.search(r"ersion\W{0,3}$", text[max(0, start - 10) : start])
    kind, name, harmless = address
    yield Finding(kind, Tier.KEEP if version or harmless else Tier.REDACT, start, end, name)


@lru_cache(maxsize=4096)
def _known_address(written: str) -> tuple[str, str, bool] | None:
    """Kind, canonical form, and whether it names nobody; None for what is no address."""
    try:
        address = ipaddress.ip_address(written)
    except ValueError:
        return None
    harmless = (
        address.is_loopback
        or address.is_unspecified
        or address.is_multicast
        or str(address).startswith("255.")
        or any(address in network for network in DOCUMENTATION if network.version == address.version)
    )
    return "private-ip" if address.is_private else "ip", str(address), harmless
