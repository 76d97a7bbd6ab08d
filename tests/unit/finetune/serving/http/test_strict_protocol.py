# SPDX-License-Identifier: Apache-2.0
import asyncio
import json
import socket
import threading
from collections.abc import Iterator

import pytest
import uvicorn
from serving_parts import ScriptedEngine, application

from node0.finetune.serving.http.strict_protocol import StrictProtocol


class Impatient(StrictProtocol):
    head_seconds = 0.2


@pytest.fixture(scope="module")
def address() -> Iterator[tuple[str, int]]:
    """Of an application in a thread."""
    config = uvicorn.Config(application(ScriptedEngine()), http=Impatient, log_config=None, lifespan="off")
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listening])))
        thread.start()
        yield listening.getsockname()
        server.should_exit = True
        thread.join()


def told(address: tuple[str, int], sent: bytes) -> tuple[bytes, dict[str, object]]:
    """Status line and body of what comes until the connection is closed."""
    with socket.create_connection(address, timeout=10) as connection:
        connection.sendall(sent)
        found = b""
        while piece := connection.recv(4096):
            found += piece
    head, _, body = found.partition(b"\r\n\r\n")
    return head.split(b"\r\n")[0], json.loads(body)


@pytest.mark.parametrize("sent", [b"", b"GET /hea", b"GET /health HTTP/1.1\r\nHost: localhost\r\nX: "])
def test_a_head_that_does_not_come_is_given_up(address: tuple[str, int], sent: bytes) -> None:
    status, body = told(address, sent)

    assert status == b"HTTP/1.1 408 Request Timeout"
    assert body["type"] == "error"


def test_the_next_head_on_a_connection_has_its_own_time(address: tuple[str, int]) -> None:
    with socket.create_connection(address, timeout=10) as connection:
        connection.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\nGET /hea")
        found = b""
        while piece := connection.recv(4096):
            found += piece

    assert found.startswith(b"HTTP/1.1 200")
    assert b"HTTP/1.1 408" in found


def test_what_is_no_http_is_refused_in_a_body_that_both_clients_read(address: tuple[str, int]) -> None:
    status, body = told(address, b"NONSENSE\r\n\r\n")

    assert status == b"HTTP/1.1 400 Bad Request"
    assert body == {
        "type": "error",
        "error": {
            "type": "invalid_request_error",
            "message": "Invalid HTTP request received",
            "param": None,
            "code": None,
        },
    }


@pytest.mark.parametrize("wish", [b"websocket", b"h2c"])
def test_a_wish_to_upgrade_is_passed_over_without_a_word(
    address: tuple[str, int], wish: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    head = b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: upgrade, close\r\nUpgrade: " + wish

    status, body = told(address, head + b"\r\n\r\n")

    assert (status, body) == (b"HTTP/1.1 200 OK", {"status": "ok"})
    assert not [record for record in caplog.records if record.name.startswith("uvicorn")]
