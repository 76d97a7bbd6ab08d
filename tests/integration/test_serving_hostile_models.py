# SPDX-License-Identifier: Apache-2.0
"""A server is given models that somebody made to harm it: it says so to whoever asks, and lives on."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import torch
from integration.served_process import Served, serving
from safetensors.torch import load_file, save_file
from tiny_run import make_base

pytestmark = pytest.mark.integration

MESSAGES, CHAT = "/v1/messages", "/v1/chat/completions"
BOTH = pytest.mark.parametrize("path", [MESSAGES, CHAT])
BOMBS = {
    "memory": "{{ 'a' * 2000000000 }}",
    "loops": "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
    "doubling": "{% set n = namespace(x='ab') %}{% for i in range(90)%}{% set n.x = n.x ~ n.x %}{% endfor %}",
    "width": "{{ '%2000000000d' % 1 }}",
}
"What a template does once a message says the word."


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    trapped = make_base(tmp_path_factory.mktemp("trapped"), max_seq_len=512)
    _set_traps(trapped)
    damaged = make_base(tmp_path_factory.mktemp("damaged"), max_seq_len=512)
    file = damaged / "model.safetensors"
    save_file({name: torch.full_like(value, torch.nan) for name, value in load_file(file).items()}, file)
    with serving("--model", f"trapped={trapped}", "--model", f"damaged={damaged}") as served:
        yield served
        assert served.stop() == 0
    assert not [line for line in served.said if "Traceback" in line]


def _set_traps(base: Path) -> None:
    settings = base / "tokenizer_config.json"
    tree = json.loads(settings.read_text())
    file = base / "chat_template.jinja"
    template = file.read_text() if file.is_file() else tree["chat_template"]
    traps = "".join(
        f"{{% if messages[0].content is string and '{word}' in messages[0].content %}}{bomb}{{% endif %}}"
        for word, bomb in BOMBS.items()
    )
    if file.is_file():
        file.write_text(traps + template)
    else:
        settings.write_text(json.dumps(tree | {"chat_template": traps + template}))


def _asked(server: Served, path: str, model: str, words: str, **more: Any) -> httpx.Response:
    body = {"model": model, "max_tokens": 4, "messages": [{"role": "user", "content": words}], **more}
    return httpx.post(server.url + path, json=body, trust_env=False, timeout=120)


@BOTH
@pytest.mark.parametrize("word", BOMBS)
def test_a_template_that_explodes_at_a_word_fails_that_request_alone(
    server: Served, path: str, word: str
) -> None:
    failed = _asked(server, path, "trapped", word)
    answered = _asked(server, path, "trapped", "hello")

    assert 400 <= failed.status_code < 600
    assert "chat template takes" in failed.text
    assert answered.status_code == 200


@BOTH
@pytest.mark.parametrize("temperature", [0, 1])
@pytest.mark.parametrize("stream", [False, True])
def test_weights_of_no_numbers_never_answer(
    server: Served, path: str, temperature: int, stream: bool
) -> None:
    told = _asked(server, path, "damaged", "hello", temperature=temperature, stream=stream)

    assert stream or told.status_code >= 500
    assert "not numbers" in told.text
    assert not re.search(r'"text_delta"|"content":"[^"]', told.text)
