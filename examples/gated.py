# SPDX-License-Identifier: Apache-2.0
"""The demo's second half: a model is put to work because it was shown to be good, and leaves when it is not.

Versions are judged by replaying sessions that their runs held out. Every verdict is the gate's own.
"""

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from node0.town import Town
from story import HERE, Story, TownShell, console

NAME = "deacon-patrol"
REFUSED = 3
"Exit code of a command that the gate ended."

NIGHTS = [f"{number:02}" for number in range(1, 11)]
"Sessions of which the breaker is told, named in their order; the first two succeed."


@dataclass(frozen=True)
class Sizes:
    """How long versions are trained, and what the town asks of them."""

    first: int = 80
    "Steps of a version that is cut short."

    further: int = 120
    "Steps by which the adapter of the first half is trained on."

    hasty: int = 40
    "Steps of a version that somebody trained in a hurry."

    threshold: float = 0.6
    "Share of recorded calls that a version must surely agree with."


@dataclass
class Gated:
    """The second half, told in a town whose deacon has a model at work."""

    story: Story
    town: Path
    sizes: Sizes = Sizes()

    def __post_init__(self) -> None:
        self.shell = TownShell(self.town)
        self.settings = self.town / "settings" / "config.json"
        "Of gt: which agent works for each role."

        self._before = self._forced = self.settings.read_bytes()

    def tell(self) -> None:
        """Every stage in turn."""
        console.print(f"\n$ EXAMPLES={HERE}; cd {self.town}", style="dim", markup=False)
        for stage in (self.ask, self.cut_short, self.refuse, self.force, self.improve, self.put_to_work):
            stage()
        for stage in (self.hold, self.trip, self.take_back, self.look_back):
            stage()

    def ask(self) -> None:
        """Say what the town asks of a version for its deacon."""
        file = Town(self.town).model_settings_file
        with self.story.stage("Asked", file) as told:
            text = f"gate: {{suites: {{deacon: {{replay: {self.sizes.threshold}}}}}}}\n"
            file.write_text(text, encoding="utf-8")
            self.shell.show("$EDITOR .models/settings.yaml")
            console.print(text.rstrip(), markup=False)
            told.append("a deacon's model is judged by sessions of this town that it has not seen")

    def cut_short(self) -> None:
        """Train a version for too few steps, and evaluate it."""
        self._train("First version", f"max_steps={self.sizes.first}")
        self._evaluate(f"{NAME}:1")

    def refuse(self) -> None:
        """Try to put it to work."""
        with self.story.stage("Refused", self.settings) as told:
            before = self.settings.read_bytes()
            self.shell(f"gt-model deploy {NAME}:1", code=REFUSED)
            told.append(self._why(1, "refused"))
            self.story.promise(self.settings.read_bytes() == before, "a refusal changed the settings")

    def force(self) -> None:
        """Put it to work past the gate, for a reason."""
        with self.story.stage("Forced", self.settings) as told:
            self.shell(f"gt-model deploy {NAME}:1 --force-deploy --reason 'a trial, and we watch it'")
            told.append(f"{self._agent()} is at work, by force and for a reason that is kept")
            self._forced = self.settings.read_bytes()
            self.story.promise(self._agent() == f"ft-{NAME}-v1", "the first version is not at work")

    def improve(self) -> None:
        """Train the adapter of the first half on, and compare what comes of it with what is at work."""
        self._train(
            "Second version",
            *(f"max_steps={self.sizes.further}", "init_adapter=.checkpoints/deacon", "lr=0.001"),
        )
        self._evaluate(f"{NAME}:2", f" --against {NAME}:1")
        with self.story.stage("Compared", Town(self.town).models / "evals") as told:
            compare = f"node0 eval compare {NAME}:1 {NAME}:2"
            console.print(self.shell(compare).rstrip(), markup=False)
            (row,) = self.shell.rows(compare)
            told.append(f"{row['gains']} of {row['items']} sessions went better than before")
            told.append(f"{row['losses']} went worse")

    def put_to_work(self) -> None:
        """Deploy it: it passes."""
        with self.story.stage("Passed", self.settings) as told:
            self.shell(f"gt-model deploy {NAME}:2")
            told.append(f"the gate lets {NAME}:2 pass; the deacon's agent is {self._agent()}")
            self.story.promise(self._agent() == f"ft-{NAME}-v2", "the second version is not at work")

    def hold(self) -> None:
        """Train a third version in a hurry; it fell behind the second one and is held."""
        self._train("Third version", f"max_steps={self.sizes.hasty}")
        self._evaluate(f"{NAME}:3")
        with self.story.stage("Held", self.settings) as told:
            self.shell(f"gt-model deploy {NAME}:3", code=REFUSED)
            told.append(self._why(3, "status"))
            told.append(self._why(3, "refused"))
            self.story.promise(self._status(3) == "holds_rollout", f"the third version is {self._status(3)}")
            self.story.promise(self._agent() == f"ft-{NAME}-v2", "a held version took the second one's place")

    def trip(self) -> None:
        """Let sessions of the second version fail, until the breaker takes it back."""
        with self.story.stage("Breaker", self.settings) as told:
            record = f"node0 breaker record {NAME}@active --session night-$n --outcome"
            self.shell.each(f"{record} success", NIGHTS[:2])
            self.shell.each(f"{record} failure", NIGHTS[2:])
            console.print(self.shell("node0 breaker status").rstrip(), markup=False)
            self.shell("node0 breaker check")
            told.append(f"{NAME}:2 is {self._status(2)} ({self._why(2, 'breaker tripped')})")
            told.append(f"the agent before it, {self._agent()}, is restored")
            self.story.promise(self._status(2) == "degraded", "the breaker did not trip")
            self.story.promise(self.settings.read_bytes() == self._forced, "another agent was restored")

    def take_back(self) -> None:
        """End the trial of the first version."""
        with self.story.stage("Taken back", self.settings) as told:
            self.shell("gt-model rollback --role deacon --reason 'the trial is over'")
            told.append(f"{self._agent()} works again, to the byte as before all this")
            self.story.promise(self.settings.read_bytes() == self._before, "the trial left something behind")

    def look_back(self) -> None:
        """Show all that happened, as the town keeps it."""
        with self.story.stage("History", Town(self.town).models) as told:
            console.print(self.shell(f"gt-model history {NAME}").rstrip(), markup=False)
            told.append(f"{len(self._history())} events: what happened, when, by whom and why")

    def _train(self, name: str, *settings: str) -> None:
        directory = name.lower().replace(" ", "-")
        place = self.town / ".checkpoints" / directory
        # A run that is there already would go on, or be refused.
        shutil.rmtree(place, ignore_errors=True)
        with self.story.stage(name, place) as told:
            given = "".join(f" --set {setting}" for setting in settings)
            self.shell(
                "node0 finetune --config $EXAMPLES/configs/deacon.yaml --base-model $EXAMPLES/base "
                f"--corpus-path .corpus --checkpoint-dir .checkpoints/{directory}{given} --register {NAME}"
            )
            newest = self.shell.rows(f"gt-model show {NAME}")[0]
            told.append(f"{NAME}:{newest['version']} has {newest['training_config']['max_steps']} steps")
            told.append(f"trained from {newest['parent'] or 'the base alone'}")

    def _evaluate(self, spelled: str, more: str = "") -> None:
        """Replay the sessions that were held out."""
        with self.story.stage("Evaluated", Town(self.town).models / "evals") as told:
            replay = "--replay .checkpoints/deacon --replay-only --max-tokens 96"
            self.shell(f"node0 eval run {spelled} {replay}{more}")
            found = self.shell.rows(f"gt-model show {spelled}")[0]["evaluations"][-1]
            calls = sum(number for _, number in found["detail"]["outcomes"]["replay"].values())
            told.append(f"{spelled} does what was recorded at {found['score']:.0%} of {calls} calls")
            told.append(f"surely at {found['low']:.0%}, where {self.sizes.threshold:.0%} are asked")
            told.append(f"the page is {self._page(spelled)}")

    def _page(self, spelled: str) -> Path:
        """The report of a version, as a page."""
        rows = [row for row in self.shell.rows("node0 eval list") if row["model"] == spelled]
        page = Path(rows[-1]["directory"]) / "report.html"
        return page.resolve().relative_to(self.town.resolve())

    def _status(self, version: int) -> str:
        return str(self.shell.rows(f"gt-model show {NAME}:{version}")[0]["deployment_status"])

    def _history(self, version: int | None = None) -> Sequence[dict[str, Any]]:
        return self.shell.rows(f"gt-model history {NAME}" + (f":{version}" if version else ""))

    def _why(self, version: int, event: str) -> str:
        """The reason of the first such event of a version."""
        return next(str(one["reason"]) for one in self._history(version) if one["event"] == event)

    def _agent(self) -> str:
        return agent_of(self.settings, "deacon")


def agent_of(settings: Path, role: str) -> str:
    """A role's agent, as gt would read it."""
    return str(json.loads(settings.read_text(encoding="utf-8")).get("role_agents", {}).get(role))
