# SPDX-License-Identifier: Apache-2.0
"""Carry out what an answer proposes, in a throwaway place, and say what a harness would say of it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from node0.finetune.chat.messages import Block
from node0.finetune.eval.suite.answer import changes_of, commands_of, patches_of
from node0.finetune.eval.suite.evidence import Place, Ran

LONGEST_RESULT = 6000
"Characters of an output that the model is shown."

PATCH_FILE = ".proposed.patch"


@dataclass(frozen=True)
class Outcome:
    """What came of one proposal."""

    text: str
    is_error: bool = False
    call: str = ""
    "Id of the call; empty where the words proposed it."

    ran: Ran | None = None


def carry_out(answer: Sequence[Block], place: Place) -> list[Outcome]:
    """Do everything that an answer proposes, in order: its calls, else its fences; of nothing, nothing."""
    calls = [block for block in answer if block["type"] == "tool_use"]
    if calls:
        return [_shown(_call(block["id"], block["name"], block["input"], place)) for block in calls]
    found = [_change(change.path, change.text, change.old, place) for change in changes_of(answer)]
    found += [_patch(patch, place) for patch in patches_of(answer)]
    found += [_command(command, place) for command in commands_of(answer)]
    return [_shown(each) for each in found]


def _call(call: str, name: str, given: dict[str, Any], place: Place) -> Outcome:
    if name == "Bash":
        done = _command(str(given.get("command", "")), place)
    elif name == "Read":
        text = place.read(str(given.get("file_path", "")))
        done = Outcome(f"{given.get('file_path')}: no such file", True) if text is None else Outcome(text)
    elif name in ("Write", "Edit"):
        [change] = changes_of([{"type": "tool_use", "id": call, "name": name, "input": given}])
        done = _change(change.path, change.text, change.old, place)
    else:
        done = Outcome(f"no tool {name}", True)
    return Outcome(done.text, done.is_error, call, done.ran)


def _command(command: str, place: Place) -> Outcome:
    ran = place.run(command)
    told = "\n".join([ran.output.rstrip(), *(f"ended: {each}" for each in ran.stopped)]).strip()
    failed = bool(ran.exit_code or ran.stopped)
    return Outcome(f"exit code {ran.exit_code}\n{told}" if failed else told, failed, ran=ran)


def _change(path: str, text: str, old: str | None, place: Place) -> Outcome:
    if old is not None:
        before = place.read(path)
        if before is None:
            return Outcome(f"{path}: no such file", True)
        if before.count(old) != 1 or not old:
            return Outcome(f"{path}: the text to replace is there {before.count(old)} times, not once", True)
        text = before.replace(old, text)
    return (
        Outcome(f"wrote {path}") if place.write(path, text) else Outcome(f"{path}: cannot be written", True)
    )


def _patch(patch: str, place: Place) -> Outcome:
    place.write(PATCH_FILE, patch)
    done = _command(f"git apply --recount {PATCH_FILE} && rm {PATCH_FILE}", place)
    return Outcome(done.text or "applied", done.is_error, ran=done.ran)


def _shown(outcome: Outcome) -> Outcome:
    """The outcome as the model is shown it: of a long text both ends."""
    text, half = outcome.text, LONGEST_RESULT // 2
    if len(text) <= LONGEST_RESULT:
        return outcome
    left_out = len(text) - LONGEST_RESULT
    return replace(outcome, text=f"{text[:half]}\n... {left_out} characters left out ...\n{text[-half:]}")
