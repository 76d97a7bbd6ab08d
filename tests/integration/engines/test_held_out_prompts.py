# SPDX-License-Identifier: Apache-2.0
"""Whatever engine is behind the gateway: what it is sent for a held-out call is the call's training row."""

from typing import Any

import pytest
from integration.engines.sample_deacon import NAME, Deacon, answers
from integration.served_process import serving
from serving_parts import scripted_http_engine

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("kind", ["vllm", "llama-server", "sglang"])
def test_the_ids_sent_are_those_of_the_training_row_up_to_the_answer(deacon: Deacon, kind: str) -> None:
    flags = ["--model", NAME, "--town", deacon.town, "--engine", kind]

    with scripted_http_engine() as engine, serving(*flags, "--engine-url", engine.url) as served:
        answers(served.url, deacon.calls)

    assert len(deacon.calls) > 50
    assert [_prompt(body) for body in engine.bodies] == [list(call.row) for call in deacon.calls]


def _prompt(body: dict[str, Any]) -> Any:
    return body["input_ids"] if "input_ids" in body else body["prompt"]
