# SPDX-License-Identifier: Apache-2.0
from asked_parts import ScriptedModel

from node0.finetune.inference.reply import Answering


def test_a_reply_gives_its_pieces_and_then_its_figures() -> None:
    reply = ScriptedModel([["a", "b"]]).continue_text("x", Answering())

    assert (reply.ending, list(reply)) == ("", ["a", "b"])
    assert (reply.ending, reply.prompt_tokens, reply.answer_tokens) == ("end", 3, 2)


def test_a_reply_that_is_closed_early_has_no_ending_and_computes_no_more() -> None:
    model = ScriptedModel([["a", "b"]])
    reply = model.continue_text("x", Answering())

    next(iter(reply))
    reply.close()

    assert (reply.ending, model.stopped) == ("", 1)
    assert list(reply) == []
