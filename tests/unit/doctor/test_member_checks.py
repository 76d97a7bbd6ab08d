# SPDX-License-Identifier: Apache-2.0
from typing import Any

import pytest

from node0.check_result import CheckResult
from node0.doctor.member_checks import MAX_SKEW, judge
from node0.models.stage_name import StageName
from node0.pipeline.swarm.observe import Answer
from node0.swarm.run.swarm_run import Member, MemberConfig, SwarmRun
from node0.swarm.transport.frames import PROTOCOL

CONFIG = MemberConfig(peer_id=f"Qm{'A' * 44}", host_maddrs=["/ip4/127.0.0.1/tcp/4100"])
MEMBER = Member("solo-0", StageName(0, "solo"), CONFIG)
RUN = SwarmRun(base_digest="a" * 64)
TOLD = {"protocol": PROTOCOL, "stage": 0, "version": 3, "base_digest": "a" * 64}


def _judged(told: dict[str, Any] | None, **of_answer: Any) -> list[CheckResult]:
    return list(judge([Answer(MEMBER, told, **of_answer)], RUN))


def test_a_member_that_agrees_with_the_run_is_well() -> None:
    peer, clock = _judged(TOLD, skew=-1.5)

    assert (peer.check, peer.state) == ("peer solo-0", "ok")
    assert peer.found == f"protocol {PROTOCOL}, stage 0, version 3"
    assert (clock.state, clock.found) == ("ok", "1.5 s behind this machine's")


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"protocol": 99}, f"it speaks protocol 99, and this program {PROTOCOL}"),
        ({"protocol": "x\n" * 50}, "it speaks protocol 'x"),
        ({"base_digest": "b" * 64}, f"it holds base {'b' * 12}, and the run is made for {'a' * 12}"),
        ({"base_digest": ["\n"]}, "it holds base ["),
    ],
)
def test_a_member_of_another_version_or_base_is_bad_in_one_line(changes: dict[str, Any], found: str) -> None:
    peer, _ = _judged({**TOLD, **changes})

    assert peer.state == "bad" and peer.found.startswith(found)
    assert "\n" not in peer.found and len(peer.found) < 120
    assert peer.do


def test_a_spare_without_a_base_is_well() -> None:
    assert _judged({**TOLD, "base_digest": None, "stage": None})[0].state == "ok"


@pytest.mark.parametrize(
    ("reached", "advice"), [(True, "see its log"), (False, "start solo-0 with its own key")]
)
def test_who_does_not_answer_is_bad_with_advice_by_whether_it_was_reached(reached: bool, advice: str) -> None:
    peer, clock = _judged(None, why="it is gone", reached=reached)

    assert (peer.state, peer.found) == ("bad", "it is gone") and peer.do.startswith(advice)
    assert (clock.check, clock.state) == ("clock", "note")


@pytest.mark.parametrize(("skew", "found"), [(9.0, "9.0 s ahead of"), (-9.0, "9.0 s behind")])
def test_a_clock_that_is_too_far_off_is_bad(skew: float, found: str) -> None:
    _, clock = _judged(TOLD, skew=skew)

    assert clock.state == "bad" and clock.found.startswith(found)
    assert _judged(TOLD, skew=MAX_SKEW)[1].state == "ok"
