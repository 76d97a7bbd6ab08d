# SPDX-License-Identifier: Apache-2.0
"""The real harnesses, a scripted model on loopback, and what their records tell of what they sent."""

from pathlib import Path

import pytest
from harness_requests import compare, rebuilt
from integration.harnesses import driven
from integration.harnesses.drivers import DRIVERS
from integration.harnesses.record import FIXTURES, Neutral

from node0.finetune.corpus.schema import Source
from node0.finetune.corpus.transcript.known_harnesses import HARNESSES

# opencode records a call of a tool that is not there in words of its own; the cut answer is nobody's.
UNLEARNT = {"opencode": [2, 4]}
CUT = [4]
pytestmark = pytest.mark.integration


@pytest.fixture(params=sorted(DRIVERS))
def name(request: pytest.FixtureRequest) -> Source:
    found: Source = request.param
    if driven.find_program(DRIVERS[found].program) is None:
        pytest.skip(f"{found} is not installed: `make town-tools` installs opencode, npm the others")
    return found


def test_every_request_that_the_server_received_is_rebuilt(name: Source, tmp_path: Path) -> None:
    """Two tools at once, failing ones, one that is not there, an answer that is cut, and a resume."""
    driver = DRIVERS[name]
    program = driven.find_program(driver.program)
    assert program is not None

    left = driven.works(driver, program, tmp_path / "home")

    (recording,) = HARNESSES[name].recordings([left.kept]).values()
    calls, _ = rebuilt(recording)
    unlearnt = UNLEARNT.get(name, CUT)
    assert compare(calls, left.requests, unlearnt=unlearnt) == []
    assert len(left.requests) == 6
    assert [call.answer[0] for call in calls][:1] == [["assistant", "I run both."]]
    _hold_no_words_of(left)


def _hold_no_words_of(left: driven.Driven) -> None:
    """What the harness's long texts say stands in no fixture, and no recording would put it there."""
    records = [record for request in left.requests for record in request.records]
    texts = [record[-1] for record in records if record[0] != "call"]
    lines = {line.strip() for text in texts for line in text.split("\n") if len(line.strip()) > 60}
    stored = "".join(path.read_text("utf-8") for path in FIXTURES.rglob("*.json*"))
    neutral = str([Neutral(left.home).request(request) for request in left.requests])

    assert [line for line in lines if line in stored] == []
    assert [line for line in lines if line in neutral and "GITHUB_TOKEN" not in line] == []
