# SPDX-License-Identifier: Apache-2.0
import socket
from collections.abc import Iterator

import pytest

from node0.errors import ConfigError
from node0.swarm.run.address import parse_address
from node0.swarm.run.layout import FIRST_PORT, PORTS, MemberSlot, first_port, is_free, lay_out

NOBODY: dict[str, int] = {}
NOWHERE: dict[str, str] = {}
EVERYONE = {"head-0": "10.0.0.5", "tail-1": "10.0.0.6", "trainer": "10.0.0.1"}


@pytest.fixture
def taken_port() -> Iterator[int]:
    """A port of the range on which something listens."""
    for port in range(FIRST_PORT + 5000, FIRST_PORT + PORTS - 10):
        with socket.socket() as listener:
            try:
                listener.bind(("127.0.0.1", port))
            except OSError:
                continue
            listener.listen()
            yield port
            return


def slots(num_stages: int = 2, **changes: object) -> list[MemberSlot]:
    given = {"replicas": NOBODY, "spares": 0, "hosts": NOWHERE, **changes}
    return lay_out(num_stages, **given)  # type: ignore[arg-type]  # a test's shorthand


def test_every_member_has_a_loopback_port_of_its_own_that_is_free() -> None:
    found = slots(3, replicas={"body-1": 2}, spares=2)

    assert [slot.name for slot in found] == [
        "head-0", "body-1", "body-1.2", "tail-2", "spare-0", "spare-1", "trainer",
    ]  # fmt: skip
    assert len({slot.address for slot in found}) == len(found)
    for slot in found:
        assert slot.listens == slot.address
        assert slot.address.is_loopback
        assert is_free(slot.address)


def test_a_port_that_is_taken_is_passed_over(taken_port: int) -> None:
    found = slots(1, start=taken_port)

    assert not is_free(parse_address(f"/ip4/127.0.0.1/tcp/{taken_port}"))
    assert taken_port not in [slot.address.port for slot in found]


def test_the_last_port_is_followed_by_the_first() -> None:
    ports = [slot.address.port for slot in slots(3, start=FIRST_PORT + PORTS - 1)]

    assert min(ports) >= FIRST_PORT
    assert max(ports) < FIRST_PORT + PORTS


def test_two_directories_begin_at_two_ports_of_the_range() -> None:
    ports = {first_port(f"runs/{number}") for number in range(50)}

    assert len(ports) > 45
    assert all(FIRST_PORT <= port < FIRST_PORT + PORTS for port in ports)


def test_a_named_host_is_announced_and_listened_on_everywhere() -> None:
    head, tail, trainer = slots(hosts={**EVERYONE, "tail-1": "gpu-2.lan:99", "trainer": "[fd00::1]"})

    assert (str(head.address), str(head.listens)) == (
        f"/ip4/10.0.0.5/tcp/{FIRST_PORT}", f"/ip4/0.0.0.0/tcp/{FIRST_PORT}",
    )  # fmt: skip
    assert (str(tail.address), str(tail.listens)) == ("/dns4/gpu-2.lan/tcp/99", "/ip4/0.0.0.0/tcp/99")
    assert (str(trainer.address), str(trainer.listens)) == (
        f"/ip6/fd00::1/tcp/{FIRST_PORT}", f"/ip6/::/tcp/{FIRST_PORT}",
    )  # fmt: skip


def test_members_on_one_host_get_ports_of_their_own() -> None:
    hosts = dict.fromkeys(EVERYONE, "10.0.0.5") | {"trainer": f"10.0.0.5:{FIRST_PORT}"}

    assert [slot.address.port for slot in slots(hosts=hosts)] == [FIRST_PORT + 1, FIRST_PORT + 2, FIRST_PORT]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"hosts": {"head-0": "10.0.0.5"}},
            r"cannot reach tail-1, trainer on loopback; .*--host tail-1=ADDR",
        ),
        ({"hosts": {"heat-0": "10.0.0.5"}}, "--host names no member 'heat-0'; did you mean 'head-0'"),
        ({"hosts": {"head-0": "10.0.0.5:1:2"}}, "cannot read --host head-0=10.0.0.5:1:2"),
        ({"hosts": {"head-0": "10.0.0.5:99999"}}, "99999"),
        ({"hosts": dict.fromkeys(EVERYONE, "0.0.0.0")}, "is no address that others can reach"),
        ({"hosts": {"head-0": "[::]:9"}}, "is no address that others can reach"),
        ({"hosts": {"head-0": "a b"}}, "'/dns4/a b/tcp/0'"),
        ({"hosts": dict.fromkeys(EVERYONE, "10.0.0.5:1")}, "gives one port of a machine to two members"),
        ({"replicas": {"body-1": 2}}, "no stage body-1 in a model of 2 stages"),
        ({"replicas": {"head-0": 0}}, "--replicas head-0=0 leaves nobody"),
    ],
)
def test_a_layout_that_cannot_work_is_one_line(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        slots(**changes)
