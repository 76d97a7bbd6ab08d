# SPDX-License-Identifier: Apache-2.0
"""`EffectJudge`: whether two answers do the same in the sandbox, although their commands differ.

Both scripts are run in each made state. In all of them both must succeed or both fail, and leave the same;
where both succeed and leave everything as it was they must print the same; in at least one they must
succeed and change or print something. Of anything else nothing is claimed.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from node0.errors import ConfigError
from node0.finetune.chat.same_calls import Call
from node0.finetune.eval.effect.made_states import MadeState, made_states
from node0.finetune.eval.effect.script import Script, script_of
from node0.finetune.eval.sandbox.limits import SandboxLimits
from node0.finetune.eval.sandbox.sandbox_runner import SandboxRunner, find_sandbox
from node0.finetune.eval.sandbox.workspace import OutsideWorkspace
from node0.finetune.eval.suite.checks.bead_state import STORE
from node0.finetune.eval.suite.place import open_place

SECONDS = 10.0
"How long a pair of scripts may run in one state."

RULES = "effects in made states, 1"
"Another one where other commands would be found alike."

PARTS = 8
"Of what is printed: how the place was; of each script its words, exit code and how the place is; the rest."

_BEADS = f"cat {STORE}\n"
_REPOSITORY = r"""
git symbolic-ref -q HEAD || git rev-parse HEAD
git for-each-ref
git --git-dir=.remote.git for-each-ref
git ls-files -s
git stash list
git config --local --list
ls .git | grep -E '_HEAD$|^rebase' | grep -vE '^(ORIG|FETCH)_HEAD$'
find . \( -path ./.git -o -path ./.remote.git -o -path ./.beads \) -prune -o -type f -print0 \
    | sort -z | xargs -0 sha256sum
"""
"What a repository is: where it stands, its refs, index, stash, settings and files."


class Effect(StrEnum):
    """What two scripts do."""

    SAME = "same"
    OTHER = "other"
    UNKNOWN = "unknown"
    "They cannot be tried, or do nothing in any state."


@dataclass(frozen=True)
class _Seen:
    """What a script did in one state."""

    succeeded: bool
    changed: bool
    after: str
    printed: str

    @property
    def did(self) -> bool:
        return self.succeeded and (self.changed or bool(self.printed))

    def is_like(self, other: "_Seen") -> bool:
        if (self.succeeded, self.after) != (other.succeeded, other.after):
            return False
        return not self.succeeded or self.changed or self.printed == other.printed


def find_judge() -> "EffectJudge":
    """A judge over the sandbox of this machine.

    Raises:
        SandboxUnavailable: there is none.
    """
    return EffectJudge(find_sandbox(limits=SandboxLimits(seconds=SECONDS)))


class EffectJudge:
    """Tries scripts in a sandbox; what it found of a pair is kept. Safe to use from several threads."""

    def __init__(self, runner: SandboxRunner) -> None:
        self._runner = runner
        self._known: dict[tuple[str, str], Effect] = {}

    def can_try(self, recorded: Sequence[Call], answered: Sequence[Call]) -> bool:
        """Whether both are scripts that are known for sure, in one place."""
        first, second = script_of(recorded), script_of(answered)
        return first is not None and second is not None and first.place == second.place

    def judge(self, recorded: Sequence[Call], answered: Sequence[Call]) -> Effect:
        """Compare what two answers do."""
        first, second = script_of(recorded), script_of(answered)
        if first is None or second is None or first.place != second.place:
            return Effect.UNKNOWN
        pair = (first.text, second.text)
        if pair not in self._known:
            self._known[pair] = self._tried(first, second)
        return self._known[pair]

    def _tried(self, first: Script, second: Script) -> Effect:
        did = False
        for state in made_states((first, second)):
            try:
                seen = self._seen(state, (first, second))
            except (ConfigError, OutsideWorkspace):  # such a state cannot be made of these names
                return Effect.UNKNOWN
            if seen is None:
                return Effect.UNKNOWN
            one, other = seen
            if not one.is_like(other):
                return Effect.OTHER
            did = did or one.did
        return Effect.SAME if did else Effect.UNKNOWN

    def _seen(self, state: MadeState, scripts: tuple[Script, Script]) -> tuple[_Seen, _Seen] | None:
        """What each script does in the same state; None where a limit of the sandbox ended them."""
        mark = secrets.token_hex(16)
        tell = f"({_BEADS if state.setup.beads else ''}{_REPOSITORY if state.setup.git else ''}) 2> /dev/null"
        tries = [
            f"(cd {state.place}\n{one.text}\n) 2>&1\necho {mark}$?{mark}\n{tell}\necho {mark}"
            for one in scripts
        ]
        again = "find . -mindepth 1 -delete\ncp -a $kept/. ."
        with open_place(state.setup, self._runner) as place:
            ran = place.run(
                f"kept=$(mktemp -d)\ncp -a . $kept\n{tell}\necho {mark}\n{tries[0]}\n{again}\n{tries[1]}\n"
                "rm -rf $kept"
            )
        parts = [part.strip() for part in ran.output.split(mark)]
        if ran.stopped or len(parts) != PARTS:
            return None
        before, *told = parts
        one, other = (
            _Seen(code == "0", after != before, after, printed)
            for printed, code, after in (told[:3], told[3:6])
        )
        return one, other
