# SPDX-License-Identifier: Apache-2.0
"""hivemind's client of the daemon reads what a daemon would send; the calls are remembered by ours."""

import asyncio
from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid4

import pytest
from hivemind.p2p.p2p_daemon_bindings.control import ControlClient, DaemonConnector
from hivemind.p2p.p2p_daemon_bindings.utils import write_pbmsg
from hivemind.proto import p2pd_pb2

from node0.swarm.transport.calls_under_way import CallsUnderWay

PROTO = "DHTProtocol.rpc_store"
PEER = b"\x12\x20" + bytes(32)


class Written(bytearray):
    """A writer whose bytes are kept."""

    write = bytearray.extend

    async def drain(self) -> None:
        """Nothing waits."""


def _call(call: UUID) -> p2pd_pb2.PersistentConnectionResponse:
    request = p2pd_pb2.CallUnaryRequest(peer=PEER, proto=PROTO, data=bytes(1000))
    return p2pd_pb2.PersistentConnectionResponse(callId=call.bytes, requestHandling=request)


def _hang_up(call: UUID) -> p2pd_pb2.PersistentConnectionResponse:
    return p2pd_pb2.PersistentConnectionResponse(callId=call.bytes, cancel=p2pd_pb2.Cancel())


async def _daemon_sends(control: Any, messages: Sequence[Any]) -> None:
    written, reader = Written(), asyncio.StreamReader()
    for message in messages:
        await write_pbmsg(written, message)
    reader.feed_data(bytes(written))
    reader.feed_eof()
    await control._read_from_persistent_conn(reader)
    await asyncio.sleep(0)


def _control() -> Any:
    control = ControlClient(DaemonConnector(), _initialized_with_create=True)
    control._handler_tasks = CallsUnderWay()
    return control


@pytest.mark.parametrize("starts", [False, True])
def test_a_call_whose_caller_hangs_up_is_forgotten(starts: bool) -> None:
    began: list[object] = []

    async def answer(data: bytes, remote: object) -> bytes:
        began.append(remote)
        await asyncio.sleep(60.0)
        return b""

    async def hear() -> tuple[int, int]:
        control, call = _control(), uuid4()
        control.unary_handlers[PROTO] = answer
        if starts:
            await _daemon_sends(control, [_call(call)])
            under_way = len(control._handler_tasks)
            await _daemon_sends(control, [_hang_up(call)])
        else:
            await _daemon_sends(control, [_call(call), _hang_up(call)])
            under_way = 0
        for _ in range(3):
            await asyncio.sleep(0)
        return under_way, len(control._handler_tasks)

    assert asyncio.run(hear()) == (int(starts), 0)
    assert len(began) == int(starts)


def test_a_call_is_under_way_until_it_is_answered() -> None:
    async def answer(data: bytes, remote: object) -> bytes:
        await asyncio.sleep(0)
        return b"yes"

    async def hear() -> tuple[int, int, bytes]:
        control = _control()
        control.unary_handlers[PROTO] = answer
        await _daemon_sends(control, [_call(uuid4())])
        under_way = len(control._handler_tasks)
        reply = await control._pending_messages.get()
        for _ in range(3):
            await asyncio.sleep(0)
        return under_way, len(control._handler_tasks), reply.unaryResponse.response

    assert asyncio.run(hear()) == (1, 0, b"yes")


def test_a_call_of_what_nobody_serves_is_forgotten() -> None:
    async def hear() -> int:
        control = _control()
        await _daemon_sends(control, [_call(uuid4())])
        for _ in range(3):
            await asyncio.sleep(0)
        return len(control._handler_tasks)

    assert asyncio.run(hear()) == 0
