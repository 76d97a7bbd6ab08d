# SPDX-License-Identifier: Apache-2.0
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from node0.commands.infer.ask_url import connect
from node0.commands.infer.model_choice import ModelChoice
from node0.errors import ConfigError

TOKEN = "0123456789abcdef"


class _Models(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        allowed = self.headers.get("Authorization") == f"Bearer {TOKEN}"
        body = b'{"data": [{"id": "deacon"}]}' if allowed else b'{"error": {"message": "no key"}}'
        self.send_response(200 if allowed else 401)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def url() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Models)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_server_gets_the_token_and_is_told_of_the_roles_tools(url: str, tmp_path: Path) -> None:
    tokens = tmp_path / "tokens"
    tokens.write_text(f"{TOKEN}\n")
    tokens.chmod(0o600)

    model = connect(ModelChoice(None, role="deacon", url=url, token_file=tokens))
    model.close()

    assert model.name == "deacon"
    assert [tool["name"] for tool in model.tools] == ["Bash"]


def test_a_server_that_wants_a_token_says_so(url: str) -> None:
    with pytest.raises(ConfigError, match="answers 401: no key; give its token with --token-file"):
        connect(ModelChoice(None, url=url))
