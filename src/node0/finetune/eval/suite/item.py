# SPDX-License-Identifier: Apache-2.0
"""`EvalItem`: one task of the suite, as its data file states it."""

import json
from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from node0.finetune.chat.messages import Block, Request
from node0.finetune.chat.profile import DeploymentProfile, load_profile
from node0.finetune.eval.suite.checks.table import AnyCheck
from node0.finetune.role import ROLE_PATTERN


class Category(StrEnum):
    """What a suite measures; the plan's five."""

    BEAD_MANAGEMENT = "bead_management"
    GIT_WORKFLOW = "git_workflow"
    CONVENTION_ADHERENCE = "convention_adherence"
    PLANNING = "planning"
    CODE_EXECUTION = "code_execution"


class Difficulty(StrEnum):
    """How much an item asks of a model."""

    EASY = "easy"
    MEDIUM = "medium"
    HARD = "hard"


class Form(StrEnum):
    """In which form an answer in words is asked for; the words for it are added to the prompt."""

    FREE = "free"
    DECISION = "decision"
    OBJECT = "object"
    PLAN = "plan"
    SIZED_PLAN = "sized plan"


_PLAN = (
    'Answer with one JSON object {"steps": [...]} and nothing else. A step is {"id": ..., "title": ..., '
    '"needs": [ids of the steps that must be done before]SIZE}. Needs name only what a step really waits for.'
)
_WORDS = {
    Form.FREE: "",
    Form.DECISION: 'Answer with one JSON object {"action": ..., "reason": ...} and nothing else; '
    "the reason names what in the situation decides.",
    Form.OBJECT: "Answer with the JSON object and nothing else.",
    Form.PLAN: _PLAN.replace("SIZE", ""),
    Form.SIZED_PLAN: _PLAN.replace("SIZE", ', "size": S (up to an hour), M (up to a day) or L (more)'),
}


class _Data(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Write(_Data):
    """A call of the tool Write."""

    path: str
    text: str


class Edit(_Data):
    """A call of the tool Edit."""

    path: str
    old: str
    new: str


class Turn(_Data):
    """One answer of a model, as a data file writes it."""

    say: str = ""
    object: dict[str, Any] | None = None
    "Said as JSON."

    bash: tuple[str, ...] = ()
    write: tuple[Write, ...] = ()
    edit: tuple[Edit, ...] = ()

    def blocks(self) -> list[Block]:
        """The answer in Messages form."""
        calls: list[tuple[str, dict[str, Any]]] = [
            *(("Bash", {"command": command}) for command in self.bash),
            *(("Write", {"file_path": each.path, "content": each.text}) for each in self.write),
            *(
                ("Edit", {"file_path": each.path, "old_string": each.old, "new_string": each.new})
                for each in self.edit
            ),
        ]
        said = self.say if self.object is None else json.dumps(self.object)
        found: list[Block] = [{"type": "text", "text": said}] if said else []
        for number, (name, given) in enumerate(calls):
            found.append({"type": "tool_use", "id": f"call_{number}", "name": name, "input": given})
        return found


class Bead(_Data):
    """A bead that is there before the model is asked."""

    id: str
    title: str
    status: str = "open"
    type: str = "task"
    priority: int = 2
    assignee: str = ""
    description: str = ""
    labels: tuple[str, ...] = ()
    parent: str = ""
    needs: tuple[str, ...] = ()
    "Beads that block it."


class Setup(_Data):
    """What is in the throwaway place before the model is asked."""

    files: dict[str, str] = Field(default_factory=dict)
    beads: tuple[Bead, ...] = ()
    prefix: str = "gt"
    "What ids of new beads begin with."

    gt: dict[str, str] = Field(default_factory=dict)
    "What `gt` prints, by the words that its command line begins with."

    git: bool = False
    "Whether it is a git repository: README.md and calc.py in one commit on main, pushed to `origin`."

    commands: str = ""
    "A shell script that makes the rest; it must succeed."


class EvalItem(_Data):
    """One task: what a model is asked, and how its answer is judged."""

    id: str = Field(pattern=r"^[a-z][a-z0-9]*(-[a-z0-9]+)+$")
    category: Category
    role: str = Field(pattern=ROLE_PATTERN)
    difficulty: Difficulty
    tags: Annotated[tuple[str, ...], Field(min_length=1)]
    prompt: str = Field(min_length=1)
    form: Form = Form.FREE
    show: bool = False
    "Whether the prompt ends with the files of the setup."

    tools: tuple[str, ...] = ()
    "Shipped tools that are offered; none where an answer in words is asked for."

    actions: tuple[str, ...] = ()
    "For a decision: the actions that the prompt allows, in its order."

    turns: int = Field(1, ge=1, le=20)
    "Answers that a model may give; above 1 it sees what its calls did, in the sandbox."

    setup: Setup = Setup()
    checks: Annotated[tuple[AnyCheck, ...], Field(min_length=1)]
    reference: Annotated[tuple[Turn, ...], Field(min_length=1)]
    "Answers that pass every check."

    @model_validator(mode="after")
    def _reference_fits(self) -> "EvalItem":
        if len(self.reference) > self.turns:
            raise ValueError(f"{self.id}: the reference takes {len(self.reference)} of {self.turns} turns")
        return self

    @property
    def runs(self) -> bool:
        """Whether something is run for it, so that a sandbox is needed."""
        return self.turns > 1 or any(check.runs for check in self.checks)

    def request(self) -> Request:
        """What a model is asked at first: the role's card, the tools offered, the prompt."""
        profile = load_profile(self.role)
        offered = DeploymentProfile.model_validate({"role": self.role, "tools": list(self.tools)})
        return {
            "system": profile.card or "",
            "tools": offered.tool_list(),
            "messages": [{"role": "user", "content": self.question}],
        }

    @property
    def question(self) -> str:
        """The prompt with the actions, files and form that belong to it."""
        parts = [self.prompt.strip()]
        if self.actions:
            parts.append(f"Allowed actions: {', '.join(self.actions)}.")
        if self.show:
            parts += [f"{path}:\n```\n{text}```" for path, text in self.setup.files.items()]
        return "\n\n".join([*parts, *([_WORDS[self.form]] if self.form is not Form.FREE else [])])

    def reference_answers(self) -> Sequence[list[Block]]:
        """What a perfect model answers, turn by turn."""
        return [turn.blocks() for turn in self.reference]
