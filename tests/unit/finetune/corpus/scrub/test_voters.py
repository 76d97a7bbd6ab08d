# SPDX-License-Identifier: Apache-2.0
import sys

import pytest

from node0.errors import ConfigError, ScrubberUnavailable
from node0.finetune.corpus.scrub.finding import Tier
from node0.finetune.corpus.scrub.voters import make_voters
from node0.finetune.corpus.scrubber import CorpusScrubber

DOUBTFUL = 'token: "ab-cd!efgh"'


class Recorder:
    """Remembers what it is asked, and always answers the same."""

    name = "recorder 1"

    def __init__(self, answer: bool) -> None:
        self.answer = answer
        self.asked: list[tuple[str, str]] = []

    def says_secret(self, line: str, value: str) -> bool:
        self.asked.append((line, value))
        return self.answer


def test_a_voter_sees_only_the_lines_that_hold_a_candidate() -> None:
    voter = Recorder(answer=True)
    text = f"nothing here\n{DOUBTFUL}\nghp_0123456789abcdefABCDEF0123456789wxyz"

    found = CorpusScrubber(voters=[voter]).findings(text)

    assert voter.asked == [(DOUBTFUL, "ab-cd!efgh")]
    assert [(finding.kind, finding.tier) for finding in found] == [
        ("assigned-secret", Tier.QUARANTINE),
        ("github-token", Tier.REDACT),
    ]


def test_without_a_vote_a_doubt_is_nothing() -> None:
    for voters in ([], [Recorder(answer=False)]):
        assert CorpusScrubber(voters=voters).scrub(DOUBTFUL) == (DOUBTFUL, [])


def test_a_vote_never_changes_the_text() -> None:
    assert CorpusScrubber(voters=[Recorder(answer=True)]).scrub(DOUBTFUL) == (
        DOUBTFUL,
        ["quarantine: assigned-secret"],
    )


def test_detect_secrets_votes_by_default() -> None:
    (voter,) = make_voters()

    assert voter.name.startswith("detect-secrets 1.")
    assert voter.says_secret('x secret: "hu!nter-two" blah', "hu!nter-two")
    assert not voter.says_secret(
        "secret: 123e4567-e89b-12d3-a456-426614174000", "123e4567-e89b-12d3-a456-426614174000"
    )
    assert not voter.says_secret("the quick brown fox", "quick")
    assert CorpusScrubber().scrub("password: correct-horse/battery\npassword = foo-bar/x")[1] == []


def test_many_doubts_in_one_text_are_uncertain_without_a_vote() -> None:
    voter = Recorder(answer=False)
    text = "\n".join(
        f'token: "ab-cd!ef{number:04d}gh-"'.translate(str.maketrans("0123456789", "klmnopqrst"))
        for number in range(300)
    )

    found = CorpusScrubber(voters=[voter]).findings(text)

    assert len(voter.asked) < 100
    assert len(found) + len(voter.asked) == 300


@pytest.mark.parametrize(
    ("name", "module"), [("detect-secrets", "detect_secrets"), ("credsweeper", "credsweeper")]
)
def test_a_voter_that_cannot_be_loaded_stops_everything(
    monkeypatch: pytest.MonkeyPatch, name: str, module: str
) -> None:
    for loaded in [known for known in sys.modules if known.split(".")[0] == module]:
        monkeypatch.delitem(sys.modules, loaded)
    monkeypatch.setitem(sys.modules, module, None)

    with pytest.raises(ScrubberUnavailable, match=f"voter {name} cannot run.*nothing was stored") as refused:
        make_voters([name])
    assert refused.value.exit_code == 75


def test_an_unknown_voter_is_refused() -> None:
    with pytest.raises(ConfigError, match="no voter 'oracle'"):
        make_voters(["oracle"])
