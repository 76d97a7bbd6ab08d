# SPDX-License-Identifier: Apache-2.0
"""Sessions that real harnesses wrote (tests/integration/harnesses/record.py), in neutral words."""

from pathlib import Path

import pytest
from harness_fixtures import FIXTURES, RECORDED, laid_down
from harness_requests import compare, rebuilt, recorded

from node0.finetune.corpus.schema import Source
from node0.finetune.corpus.transcript.known_harnesses import HARNESSES
from node0.finetune.corpus.transcript.recording import Recording

# Requests whose answers are not learnt: rewritten by the harness, cut, or a summary that it asked for.
UNLEARNT = {
    ("opencode", "works"): {
        2: "answer with a call that the harness rewrote",
        4: "answer that was interrupted",
    },
    ("opencode", "cut_tool"): {0: "answer that was interrupted"},
    ("opencode", "compacted"): {2: "summary that the harness asked for"},
}


def recording(harness: Source, session: str, home: Path) -> Recording:
    (found,) = HARNESSES[harness].recordings([laid_down(harness, session, home)]).values()
    return found


@pytest.mark.parametrize(("harness", "session"), RECORDED)
def test_every_request_that_was_sent_is_rebuilt(harness: Source, session: str, tmp_path: Path) -> None:
    requests = recorded(FIXTURES / harness / f"{session}.requests.json")
    unlearnt = UNLEARNT.get((harness, session), {})

    calls, skipped = rebuilt(recording(harness, session, tmp_path))

    assert compare(calls, requests, unlearnt=unlearnt) == []
    assert len(requests) > len(unlearnt)
    for reason in unlearnt.values():
        assert skipped[reason] == list(unlearnt.values()).count(reason)
