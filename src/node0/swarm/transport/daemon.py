# SPDX-License-Identifier: Apache-2.0
"""Start libp2p's daemon under the guard, with its sockets in a directory of ours."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from hivemind.p2p import P2P
from hivemind.p2p.p2p_daemon_bindings.utils import P2PDaemonError

from node0.errors import ConfigError
from node0.swarm.transport import guard
from node0.swarm.transport.calls_under_way import CallsUnderWay
from node0.swarm.transport.connector import Connector

LARGEST_CALL = 1 << 20
"Bytes of a call of the DHT or its answer; a daemon refuses longer ones before it has read them."

HEAP = "GOMEMLIMIT=64MiB"
"What makes a daemon collect its garbage early: it holds little, and what strangers send is soon none of it."

START_SECONDS = 60.0
"A daemon on a busy machine may need long to start."


async def start_daemon(
    socket_dir: Path,
    *,
    host_maddrs: Sequence[str],
    announce_maddrs: Sequence[str],
    identity_path: Path | None,
) -> P2P:
    """A running daemon; nothing of it is left where it could not start.

    Raises:
        ConfigError: an address cannot be listened on.
    """
    daemon = _guarded(socket_dir)
    try:
        # Initial peers are greeted later: the daemon gives up when none of its own is there.
        started = await daemon.create(
            announce_maddrs=list(announce_maddrs) or None,
            host_maddrs=list(host_maddrs),
            identity_path=str(identity_path) if identity_path else None,
            startup_timeout=START_SECONDS,
            persistent_conn_max_msg_size=LARGEST_CALL,
            # On a trusted network nothing is mapped, probed or relayed.
            auto_nat=False,
            nat_port_map=False,
            use_relay=False,
            check_if_identity_free=False,
        )
        control = started._client.control
        control.daemon_connector = Connector(control.daemon_connector.control_maddr)
        control._handler_tasks = CallsUnderWay()
        return started
    except (P2PDaemonError, ValueError) as error:
        for each in daemon.started:
            await each.shutdown()
        reason = " ".join(str(error).split())
        raise ConfigError(f"cannot listen on {', '.join(host_maddrs)}: {reason}; see node0 doctor") from None
    except BaseException:  # nobody waits for this start any more: its daemon must not stay
        for each in daemon.started:
            each._terminate()
        raise


async def daemon_end(daemon: P2P) -> int:
    """Wait until a daemon has ended, however that came; the exit code of its guard."""
    return int(await daemon._child.wait())


def _guarded(socket_dir: Path) -> type[P2P]:
    """hivemind's client, which starts the guard in place of the daemon."""

    class GuardedP2P(P2P):  # type: ignore[misc]  # hivemind has no type information
        _UNIX_SOCKET_PREFIX = f"/unix{socket_dir}/"
        started: ClassVar[list[P2P]] = []

        def __init__(self) -> None:
            super().__init__()
            self.started.append(self)

        @staticmethod
        def _make_process_args(*args: Any, **kwargs: Any) -> list[str]:
            daemon = P2P._make_process_args(*args, **kwargs)
            guarding = [sys.executable, "-I", "-S", guard.__file__, str(socket_dir), str(os.getpid())]
            return [*guarding, "/usr/bin/env", HEAP, *daemon]

    return GuardedP2P
