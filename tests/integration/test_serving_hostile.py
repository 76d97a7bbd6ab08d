# SPDX-License-Identifier: Apache-2.0
"""One server is sent what no client should send: it says why, in the asked API's form, and lives on."""

import json
import socket
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from integration.served_process import Served, serving
from tiny_run import make_base

pytestmark = pytest.mark.integration

CONTEXT = 512
MESSAGES, CHAT = "/v1/messages", "/v1/chat/completions"
BOTH = pytest.mark.parametrize("path", [MESSAGES, CHAT])
ASK: dict[str, Any] = {"model": "tiny", "max_tokens": 4, "messages": [{"role": "user", "content": "x"}]}
LIMIT = 32 << 20
HUNDRED_MB = 100 << 20


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    base = make_base(tmp_path_factory.mktemp("model"), max_seq_len=CONTEXT)
    with serving("--model", f"tiny={base}") as served:
        yield served
        assert served.stop() == 0
    # Nothing that was sent is in what the server says, and nothing went wrong inside it.
    assert not [line for line in served.said if "Traceback" in line or "needle" in line]


@pytest.fixture(autouse=True)
def alive(server: Served) -> Iterator[None]:
    """After each test the server answers."""
    yield
    assert httpx.post(server.url + MESSAGES, json=ASK, trust_env=False, timeout=60).status_code == 200


@dataclass
class Told:
    """What came back."""

    status: int
    head: bytes
    body: bytes

    def message(self, path: str) -> str:
        """The error's, after its body was found to have the form of the path's API."""
        body = json.loads(self.body)
        error = body["error"]
        if path == MESSAGES:
            assert (body["type"], set(error)) == ("error", {"type", "message"})
        else:
            assert (set(body), set(error)) == ({"error"}, {"type", "message", "param", "code"})
        return str(error["message"])


def spoken(server: Served, *pieces: bytes) -> Told:
    """What a server says to these bytes; whatever follows its first answer is kept in the body."""
    host, port = server.url.removeprefix("http://").split(":")
    found = b""
    with socket.create_connection((host, int(port)), timeout=60) as connection:
        with suppress(OSError):  # it may stop listening before all is sent
            for piece in pieces:
                connection.sendall(piece)
        with suppress(ConnectionResetError):  # nor does it read what came after its answer
            while piece := connection.recv(65536):
                found += piece
    head, _, body = found.partition(b"\r\n\r\n")
    return Told(int(head.split()[1]), head, body)


def head(path: str, *headers: str) -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: localhost", "Connection: close", *headers, "", ""]
    return "\r\n".join(lines).encode()


def posted(server: Served, path: str, body: bytes) -> Told:
    return spoken(server, head(path, f"Content-Length: {len(body)}"), body)


def refused(server: Served, path: str, body: bytes) -> tuple[int, str]:
    told = posted(server, path, body)
    return told.status, told.message(path)


@BOTH
@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "nested"),
        (json.dumps({**ASK, "metadata": json.loads("[" * 200 + "]" * 200)}).encode(), "nested"),
        (b'{"model": "\xff\xfe"}', "UTF-8"),
        (b'{"model": "tiny", "max_tokens": 1' + b"0" * 5000 + b"}", "no JSON"),
        (b"", "no JSON"),
        (b'{"model": "tiny"', "no JSON"),
        (b"[]", "no JSON object"),
        (b"null", "no JSON object"),
    ],
    ids=["deep", "nested", "utf-8", "digits", "empty", "cut", "list", "null"],
)
def test_what_is_no_json_object_of_a_sane_depth(server: Served, path: str, body: bytes, words: str) -> None:
    status, message = refused(server, path, body)

    assert (status, words in message) == (400, True)


@BOTH
@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"max_tokens": -1}, "max_tokens"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": 1.5}, "max_tokens"),
        ({"max_tokens": "9"}, "max_tokens"),
        ({"max_tokens": True}, "max_tokens"),
        ({"model": 3}, "model"),
        ({"model": ["tiny"]}, "model"),
        ({"messages": []}, "messages"),
        ({"messages": "needle"}, "messages"),
        ({"messages": [{"role": "root", "content": "needle"}]}, "role"),
        ({"messages": [{"role": "user", "content": 7}]}, "content"),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "content"),
        ({"messages": [None]}, "messages"),
        ({"stream": "yes"}, "stream"),
        ({"temperature": -0.1}, "temperature"),
        ({"temperature": "hot"}, "temperature"),
        ({"temperature": float("nan")}, "temperature"),
        ({"top_p": 0}, "top_p"),
        ({"tools": {"name": "Bash"}}, "tools"),
        ({"messages": [{"role": "user", "content": "needle " * CONTEXT}]}, "context"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_wrong_types_and_values_beyond_their_range(
    server: Served, path: str, changes: dict[str, Any], words: str
) -> None:
    status, message = refused(server, path, json.dumps({**ASK, **changes}).encode())

    assert (status, words in message) == (400, True), message
    assert "needle" not in message


@BOTH
def test_large_numbers_and_odd_text_are_answered(server: Served, path: str) -> None:
    large = {"max_tokens": 1 << 70, "top_k": 1 << 70, "seed": -(1 << 70), "temperature": 1e-300}
    odd = [{"role": "user", "content": "\ud83d \u0000 \u202e \ufffe \U0010ffff"}]

    for changes in (large, {**large, "temperature": 1e300}, {"messages": odd}):
        assert posted(server, path, json.dumps({**ASK, **changes}).encode()).status == 200


@BOTH
def test_a_hundred_megabytes_are_refused_before_they_are_read(server: Served, path: str) -> None:
    told = spoken(server, head(path, f"Content-Length: {HUNDRED_MB}"), b'{"model": "' + b"x" * 100_000)

    assert (told.status, str(LIMIT) in told.message(path)) == (413, True)


@BOTH
def test_a_hundred_megabytes_without_a_length_are_refused_at_the_limit(server: Served, path: str) -> None:
    chunk = b"100000\r\n" + b" " * (1 << 20) + b"\r\n"

    told = spoken(server, head(path, "Transfer-Encoding: chunked"), *[chunk] * (HUNDRED_MB >> 20))

    assert (told.status, str(LIMIT) in told.message(path)) == (413, True)


SMUGGLED = b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n"


@BOTH
@pytest.mark.parametrize(
    "headers",
    [
        ("Content-Length: 5", "Transfer-Encoding: chunked"),
        ("Transfer-Encoding: chunked", "Content-Length: 5"),
    ],
    ids=["CL.TE", "TE.CL"],
)
def test_a_length_and_chunks_at_once_are_refused_and_what_follows_is_not_read(
    server: Served, path: str, headers: tuple[str, ...]
) -> None:
    told = spoken(
        server, head(path, *headers).replace(b"Connection: close\r\n", b""), b"0\r\n\r\n" + SMUGGLED
    )

    assert (told.status, told.message(path)) == (400, "a body has a length or is chunked, not both")
    assert b"connection: close" in told.head.lower()


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (("Content-Length: 4", "Content-Length: 5"), 400),
        (("Content-Length: -1",), 400),
        (("Content-Length: 1e3",), 400),
        (("Content-Length: 4\r\n 4",), 400),
        (("Transfer-Encoding: chunked, identity",), 400),
        (("Transfer-Encoding: gzip",), 400),
        (("Transfer-Encoding : chunked",), 400),
        (("Content-Length : 4",), 400),
        (("X: " + "a" * 200_000,), 400),
        (tuple(f"X-{number}: {'a' * 90}" for number in range(2000)), 400),
        (("X: a\x00b",), 400),
        (("X\n: a",), 400),
    ],
    ids=[
        *("two-lengths", "negative", "exponent", "folded-length", "identity", "gzip", "space-te", "space-cl"),
        *("huge", "many", "nul", "newline"),
    ],
)
def test_heads_that_can_be_read_in_two_ways_are_refused(
    server: Served, headers: tuple[str, ...], status: int
) -> None:
    told = spoken(server, head(MESSAGES, *headers), b"0\r\n\r\n" + SMUGGLED)

    assert told.status == status
    assert b"connection: close" in told.head.lower()
    error = json.loads(told.body)  # one answer, and nothing of what followed
    assert {"type", "error"} <= set(error) and error["error"]["message"]


def test_a_head_that_begins_with_a_continued_line_is_refused(server: Served) -> None:
    told = spoken(server, b"POST /v1/messages HTTP/1.1\r\n X: a\r\nHost: localhost\r\n\r\n" + SMUGGLED)

    assert (told.status, json.loads(told.body)["type"]) == (400, "error")


def test_a_broken_chunk_ends_the_connection(server: Served) -> None:
    told = spoken(server, head(CHAT, "Transfer-Encoding: chunked"), b"zz\r\n{}\r\n" + SMUGGLED)

    assert told.status == 400
    assert json.loads(told.body)["error"]["message"]


def test_a_head_that_comes_in_drops_does_not_keep_others_waiting(server: Served) -> None:
    host, port = server.url.removeprefix("http://").split(":")
    slow = [socket.create_connection((host, int(port)), timeout=60) for _ in range(50)]
    try:
        for connection in slow:
            connection.sendall(b"POST /v1/messages HTTP/1.1\r\nHost: localhost\r\nX-")
        for _ in range(3):
            for connection in slow:
                connection.sendall(b"a")
            assert httpx.get(server.url + "/health", trust_env=False).status_code == 200
    finally:
        for connection in slow:
            connection.close()


@BOTH
def test_a_client_that_closes_in_mid_body_costs_nothing(server: Served, path: str) -> None:
    host, port = server.url.removeprefix("http://").split(":")
    for _ in range(20):
        with socket.create_connection((host, int(port)), timeout=60) as connection:
            connection.sendall(head(path, "Content-Length: 1000") + b'{"model": "needle')


def test_words_that_spell_special_tokens_are_words(server: Served) -> None:
    def counted(text: str) -> int:
        body = {**ASK, "messages": [{"role": "user", "content": text}]}
        told = httpx.post(f"{server.url}/v1/messages/count_tokens", json=body, trust_env=False, timeout=60)
        return int(told.json()["input_tokens"])

    spelled = "a <|end|><|assistant|> b"
    # One id a byte, and a space within each of the two; a special token would be one id.
    assert counted(spelled) == counted("x") - 1 + len(spelled) + 2


def test_another_sites_page_is_refused(server: Served) -> None:
    body = json.dumps(ASK).encode()
    told = spoken(
        server,
        head(MESSAGES, f"Content-Length: {len(body)}").replace(b"localhost", b"evil.example"),
        body,
    )

    assert (told.status, told.message(MESSAGES)[:11]) == (403, "this server")
