# SPDX-License-Identifier: Apache-2.0
import asyncio
import signal
import threading
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from serving_parts import ScriptedEngine, encode, served

from node0.errors import ConfigError, EngineBusy
from node0.finetune.chat.messages import Request
from node0.finetune.inference.reply import Answering
from node0.finetune.serving.asking.own_model import OwnModel
from node0.finetune.serving.gateway import Gateway
from node0.finetune.serving.served_models import ModelCatalogue

CALL = '<tool_call>{"name":"Bash","arguments":{"command":"ls"}}</tool_call>'
ASKED: Request = {"system": "", "tools": [], "messages": [{"role": "user", "content": "hi"}]}


class Opened:
    """An engine and the model that it answers for; closed at the end of a test."""

    def __init__(self) -> None:
        self.models: list[OwnModel] = []

    def over(self, engine: ScriptedEngine, **options: Any) -> OwnModel:
        model = served(**options)
        own = OwnModel(Gateway(ModelCatalogue([model]), engine), model, runner=asyncio.Runner())
        self.models.append(own)
        return own


@pytest.fixture
def opened() -> Iterator[Opened]:
    found = Opened()
    yield found
    for model in found.models:
        model.close()


def test_words_and_calls_come_out_of_an_answer_or_the_text_as_it_is(opened: Opened) -> None:
    model = opened.over(ScriptedEngine(f"Look. {CALL}", f"Look. {CALL}"))

    parsed, plain = (list(model.ask(ASKED, Answering(), calls=calls)) for calls in (True, False))

    call = parsed.pop()
    assert isinstance(call, dict) and (call["name"], call["input"]) == ("Bash", {"command": "ls"})
    assert "".join(map(str, parsed)) == "Look."
    assert "".join(map(str, plain)) == f"Look. {CALL}"


def test_a_text_is_continued_by_its_own_ids(opened: Opened) -> None:
    engine = ScriptedEngine("there")

    reply = opened.over(engine).continue_text("hello", Answering(max_tokens=9, seed=3, temperature=0.5))

    assert "".join(map(str, reply)) == "there"
    assert (reply.ending, reply.prompt_tokens, reply.answer_tokens) == ("end", 5, 5)
    (request,) = engine.requests
    assert (request.prompt, request.max_tokens) == (tuple(encode("hello")), 9)
    assert (request.sampling.seed, request.sampling.temperature) == (3, 0.5)


def test_errors_come_when_the_reply_is_read_and_the_next_is_answered(opened: Opened) -> None:
    engine = ScriptedEngine("there")
    model = opened.over(engine, context=8)

    too_long = model.continue_text("x" * 8, Answering())
    with pytest.raises(ConfigError, match="prompt is too long: 8 tokens"):
        list(too_long)
    engine.refusal = EngineBusy("later")
    with pytest.raises(EngineBusy):
        list(model.continue_text("x", Answering()))
    engine.refusal = None

    assert "".join(map(str, model.continue_text("x", Answering(max_tokens=3)))) == "the"


def test_a_reply_that_is_left_gives_its_place_back(opened: Opened) -> None:
    engine = ScriptedEngine("there", hang=True)
    reply = opened.over(engine).continue_text("x", Answering())

    next(iter(reply))
    reply.close()

    assert engine.streams[0].closed


def test_ctrl_c_ends_the_answer_and_the_model_answers_on(opened: Opened) -> None:
    engine = ScriptedEngine("ab", "cd", end=False, hang=True)
    model = opened.over(engine)
    reply = model.continue_text("x", Answering(max_tokens=9))
    pieces = iter(reply)
    assert (next(pieces), next(pieces)) == ("a", "b")

    here = threading.get_ident()
    threading.Timer(0.05, signal.pthread_kill, (here, signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        next(pieces)

    assert engine.streams[0].closed and reply.answer_tokens == 2
    with closing(model.continue_text("x", Answering())) as again:
        assert next(iter(again)) == "c"
