# SPDX-License-Identifier: Apache-2.0
"""Sessions that real harnesses wrote (tests/integration/harnesses/record.py), in neutral words."""

from pathlib import Path

import pytest
from harness_fixtures import FIXTURES, RECORDED, laid_down
from harness_requests import compare, rebuilt, recorded

from node0.finetune.corpus.schema import Source
from node0.finetune.corpus.transcript.known_harnesses import HARNESSES
from node0.finetune.corpus.transcript.recording import Recording

CUT, SUMMARY = "answer that was interrupted", "summary that the harness asked for"
REWRITTEN = "answer with a call that the harness rewrote"
NOT_KEPT = ""
# Requests whose answers are not learnt, and why.
UNLEARNT = {
    ("opencode", "works"): {2: REWRITTEN, 4: CUT},
    ("opencode", "cut_tool"): {0: CUT},
    ("opencode", "compacted"): {2: SUMMARY},
    ("codex", "works"): {4: CUT},
    ("codex", "compacted"): {2: SUMMARY},
    ("gemini", "works"): {4: NOT_KEPT},
    ("pi", "works"): {4: NOT_KEPT},
    ("pi", "compacted"): {2: NOT_KEPT},
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
    for reason in filter(None, unlearnt.values()):
        assert skipped[reason] == list(unlearnt.values()).count(reason)
