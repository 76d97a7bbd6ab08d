# SPDX-License-Identifier: Apache-2.0
import os
import re
import signal
import threading
from pathlib import Path

import httpx
import pytest

from node0.commands.desk.open_desk import open_desk
from node0.errors import ConfigError
from node0.finetune.serving.http.drained_server import listen


def test_the_printed_address_opens_the_desk_until_a_signal(
    town_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[object] = []

    def ask(message: str) -> None:
        if (found := re.search(r"http\S+", message)) is not None:
            client.append(threading.Thread(target=look, args=(found[0],)))
            client[0].start()

    def look(url: str) -> None:
        with httpx.Client(trust_env=False, follow_redirects=True) as browser:
            told.append(httpx.get(url.partition("?")[0], trust_env=False).status_code)
            told.append(browser.get(url).text)
        os.kill(os.getpid(), signal.SIGTERM)

    client: list[threading.Thread] = []
    monkeypatch.setattr("node0.console.note", ask)

    open_desk(town_root, port=0, tokenizer="")
    client[0].join(10)

    assert told[0] == 401
    assert "<h1>Corpus</h1>" in str(told[1])


def test_a_port_that_is_taken_is_told(town_root: Path) -> None:
    with listen("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]

        with pytest.raises(ConfigError, match=f"127.0.0.1 port {port}"):
            open_desk(town_root, port=port, tokenizer="")
