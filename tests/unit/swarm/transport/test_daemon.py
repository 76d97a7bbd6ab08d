# SPDX-License-Identifier: Apache-2.0
import asyncio
import os
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
from hivemind.p2p.p2p_daemon_bindings.utils import P2PDaemonError
from hivemind.utils.multiaddr import Multiaddr

from node0.errors import ConfigError
from node0.swarm.transport import daemon, guard
from node0.swarm.transport.calls_under_way import CallsUnderWay
from node0.swarm.transport.connector import Connector
from node0.swarm.transport.daemon import start_daemon

WHERE = ["/ip4/127.0.0.1/tcp/4100", "/ip4/127.0.0.1/tcp/4101"]


class FakeP2P:
    """hivemind's client: `create` makes one, which then may fail."""

    fault: ClassVar[BaseException | None] = None
    made: ClassVar[list["FakeP2P"]] = []

    def __init__(self) -> None:
        self.options: dict[str, Any] = {}
        self.is_shut_down = False
        control = SimpleNamespace(daemon_connector=SimpleNamespace(control_maddr=Multiaddr("/unix/x.sock")))
        self._client = SimpleNamespace(control=control)

    @classmethod
    async def create(cls, **options: Any) -> "FakeP2P":
        client = cls()
        client.options = options
        FakeP2P.made.append(client)
        if FakeP2P.fault is not None:
            raise FakeP2P.fault
        return client

    async def shutdown(self) -> None:
        self.is_shut_down = True

    @staticmethod
    def _make_process_args(*args: Any, **options: Any) -> list[str]:
        return [*args, *(f"-{name}={value}" for name, value in options.items())]


@pytest.fixture(autouse=True)
def border(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(daemon, "P2P", FakeP2P)
    monkeypatch.setattr(FakeP2P, "made", [])


def _start(directory: Path, *, identity: Path | None = None) -> Any:
    return asyncio.run(start_daemon(directory, host_maddrs=WHERE, announce_maddrs=[], identity_path=identity))


def test_the_guard_is_started_in_place_of_the_daemon(tmp_path: Path) -> None:
    client = _start(tmp_path, identity=tmp_path / "x.key")

    assert isinstance(client._client.control.daemon_connector, Connector)
    assert isinstance(client._client.control._handler_tasks, CallsUnderWay)
    command = client._make_process_args("p2pd", listen="somewhere")
    assert command[:6] == [sys.executable, "-I", "-S", guard.__file__, str(tmp_path), str(os.getpid())]
    assert command[6:] == ["/usr/bin/env", daemon.HEAP, "p2pd", "-listen=somewhere"]
    assert f"/unix{tmp_path}/" == client._UNIX_SOCKET_PREFIX
    assert client.options["identity_path"] == str(tmp_path / "x.key")
    assert client.options["announce_maddrs"] is None
    assert not any(client.options[name] for name in ("auto_nat", "nat_port_map", "use_relay"))


@pytest.mark.parametrize("fault", [P2PDaemonError("port\nin use"), ValueError("port\nin use")])
def test_a_daemon_that_cannot_start_is_one_line_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    monkeypatch.setattr(FakeP2P, "fault", fault)

    with pytest.raises(ConfigError, match=r"cannot listen on /ip4/.*, /ip4/.*: port in use; see"):
        _start(tmp_path)
    assert [client.is_shut_down for client in FakeP2P.made] == [True]


def test_a_start_that_is_given_up_leaves_no_daemon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ended: list[FakeP2P] = []
    monkeypatch.setattr(FakeP2P, "fault", asyncio.CancelledError())
    monkeypatch.setattr(FakeP2P, "_terminate", lambda self: ended.append(self), raising=False)

    with pytest.raises(asyncio.CancelledError):
        _start(tmp_path)
    assert ended == FakeP2P.made != []


def test_the_end_of_a_daemon_is_waited_for() -> None:
    class Child:
        async def wait(self) -> int:
            return -9

    client: Any = FakeP2P()
    client._child = Child()

    assert asyncio.run(daemon.daemon_end(client)) == -9
