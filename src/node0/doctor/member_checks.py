# SPDX-License-Identifier: Apache-2.0
"""Check a run's members: which of them answer, what they hold, how far apart their clocks are."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from node0.check_result import CheckResult, bad, note, ok
from node0.pipeline.swarm.observe import Answer
from node0.swarm.run.swarm_run import SwarmRun
from node0.swarm.transport.frames import PROTOCOL

MAX_SKEW = 2.0
"Seconds; DHT records are refused from clocks that are 3 seconds apart."


def judge(answers: Sequence[Answer], run: SwarmRun) -> Iterator[CheckResult]:
    """What is wrong with the members that answer, and with the clocks."""
    for answer in answers:
        if answer.told is None:
            yield bad(f"peer {answer.name}", answer.why, _advice(answer))
        else:
            yield _judge(answer, answer.told, run)
    heard = [answer for answer in answers if answer.told is not None]
    if not heard:
        yield note("clock", "not compared: no member answers", "keep it set by NTP on every machine")
    for answer in heard:
        yield _clock(answer)


def _judge(answer: Answer, told: Mapping[str, Any], run: SwarmRun) -> CheckResult:
    name = f"peer {answer.name}"
    if told.get("protocol") != PROTOCOL:
        return bad(
            name,
            f"it speaks protocol {_shown(told, 'protocol')}, and this program {PROTOCOL}",
            "install one version of gastown-finetune on all machines",
        )
    if told.get("base_digest") not in (None, run.base_digest):
        wrong, right = ascii(str(told["base_digest"]))[1:13], str(run.base_digest)[:12]
        return bad(name, f"it holds base {wrong}, and the run is made for {right}", "give it the run's base")
    return ok(name, f"protocol {PROTOCOL}, stage {_shown(told, 'stage')}, version {_shown(told, 'version')}")


def _shown(told: Mapping[str, Any], name: str) -> str:
    """What a peer says of itself, short and in one line whatever it sends."""
    return ascii(told.get(name))[:20]


def _advice(answer: Answer) -> str:
    if answer.reached:
        return "see its log; run.json must be the same on every machine"
    return f"start {answer.name} with its own key, or correct its address in run.json on every machine"


def _clock(answer: Answer) -> CheckResult:
    name = f"clock of {answer.name}"
    shown = f"{abs(answer.skew):.1f} s {'ahead of' if answer.skew > 0 else 'behind'} this machine's"
    if abs(answer.skew) > MAX_SKEW:
        return bad(name, shown, "set the clock of the machine that is wrong, and keep it set by NTP")
    return ok(name, shown)
