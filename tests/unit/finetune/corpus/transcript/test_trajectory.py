# SPDX-License-Identifier: Apache-2.0
from node0.finetune.corpus.transcript.trajectory import (
    RebuiltCall,
    RequestShape,
    Trajectory,
    up_to_last_answer,
)


def test_what_follows_the_last_answer_goes() -> None:
    call = RebuiltCall(1, RequestShape(), exact=True, at="", answer_id="a")
    messages = [{"role": role, "content": []} for role in ("user", "assistant", "user")]

    kept = up_to_last_answer(Trajectory("", list(messages), [call]))

    assert kept is not None
    assert kept.messages == messages[:2]
    assert up_to_last_answer(Trajectory("", list(messages), [])) is None
