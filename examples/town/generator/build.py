# SPDX-License-Identifier: Apache-2.0
"""Write a whole sample town: settings, documents, events, session files and the list of plants."""

import json
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from town.generator import deacon, names, planted, polecat, witness
from town.generator.documents import documents
from town.generator.planted import Plant
from town.generator.rolls import roll
from town.generator.script import Dice, Script
from town.generator.transcript import session_lines

EPOCH = datetime(2026, 1, 5, 6, 0, tzinfo=UTC)
PLACE = "/srv/gt"
"Where the agents of the sample believe the town is."

SCRIPTS: dict[str, Callable[[Dice], Script]] = {
    "deacon": deacon.patrol,
    "witness": witness.patrol,
    "polecat": polecat.work,
}


@dataclass(frozen=True)
class TownPlan:
    """How large a town is made."""

    seed: int = 7
    sessions: dict[str, int] = field(default_factory=lambda: {"deacon": 400, "witness": 100, "polecat": 100})
    secrets: int = 62
    people: int = 16
    rolls: int = 12
    "Roll calls among the documents."

    long_patrols: bool = False
    "Witnesses go through most of their checks each time."


@dataclass(frozen=True)
class Made:
    """What was written."""

    sessions: int
    documents: int
    secrets: int
    people: int


def build_town(root: Path, manifest: Path, plan: TownPlan) -> Made:
    """Replace what the generator wrote below `root` before. Equal plans give equal bytes."""
    for old in (".claude", ".events.jsonl", "docs", "directives", ".beads"):
        _remove(root / old)
    scripts = _scripts(plan)
    plants = planted.plants(Dice(f"{plan.seed} plants"), secrets=plan.secrets, people=plan.people)
    scripts, placed = _plant(scripts, plants)
    events: list[dict[str, Any]] = []
    rows: list[dict[str, Any]] = []
    for number, script in enumerate(scripts):
        session_id = Dice(f"{plan.seed} id {number}").uuid()
        events += _session(root, script, Dice(f"{plan.seed} lines {number}"), number, session_id)
        rows += [_row(plant, script, session_id) for plant in placed.get(number, [])]
    texts = {**documents(), **_rolls(plan)}
    for path, text in {**texts, **_settings()}.items():
        _write(root / path, text)
    _write(root / ".events.jsonl", _jsonl(events))
    _write(manifest, json.dumps({"seed": plan.seed, "planted": rows}, indent=1) + "\n")
    people = sum(row["personal"] for row in rows)
    return Made(len(scripts), len(texts), len(rows) - people, people)


def _scripts(plan: TownPlan) -> list[Script]:
    """Sessions of all roles in one fixed, mixed order."""
    scripts = {**SCRIPTS, **({"witness": witness.long_patrol} if plan.long_patrols else {})}
    made = [
        scripts[role](Dice(f"{plan.seed} {role} {number}"))
        for role, count in plan.sessions.items()
        for number in range(count)
    ]
    return Dice(f"{plan.seed} order").some(made, len(made))


def _rolls(plan: TownPlan) -> dict[str, str]:
    return {
        f"docs/rolls/{number:05}.md": roll(Dice(f"{plan.seed} roll {number}")) for number in range(plan.rolls)
    }


def _plant(scripts: list[Script], plants: list[Plant]) -> tuple[list[Script], dict[int, list[Plant]]]:
    """Each plant goes into a tool output of another session, evenly spread."""
    stride = max(1, len(scripts) // max(1, len(plants)))
    placed: dict[int, list[Plant]] = {}
    changed = list(scripts)
    for number, plant in enumerate(plants):
        at = (number * stride) % len(scripts)
        steps = list(changed[at].steps)
        # The last step's output: nothing of the session is decided below a cut key.
        steps[-1] = replace(steps[-1], result=f"{steps[-1].result}\n{plant.text}")
        changed[at] = replace(changed[at], steps=tuple(steps))
        placed.setdefault(at, []).append(plant)
    return changed, placed


def _session(root: Path, script: Script, dice: Dice, number: int, session_id: str) -> list[dict[str, Any]]:
    """Write one session file; gives its events."""
    start = EPOCH + timedelta(minutes=17 * number)
    cwd = f"{PLACE}/{_directory(script)}"
    lines = session_lines(script, dice, session_id=session_id, start=start, cwd=cwd)
    slug = re.sub(r"[^A-Za-z0-9]", "-", cwd)
    _write(root / ".claude" / "projects" / slug / f"{session_id}.jsonl", _jsonl(lines))
    begun = {
        "session_id": session_id,
        "role": script.actor,
        "topic": script.topic,
        "cwd": cwd,
        "actor_pid": str(4000 + number),
    }
    events = [_event(start, "session_start", script.actor, begun)]
    moments = [datetime.fromisoformat(line["timestamp"]) for line in lines if line["type"] == "api-request"]
    events += [_event(moments[item.at], item.type, script.actor, item.payload) for item in script.happenings]
    return events


def _directory(script: Script) -> str:
    if script.role == "polecat":
        return f"{script.actor}/{script.rig}"
    return script.actor


def _event(moment: datetime, kind: str, actor: str, payload: dict[str, str]) -> dict[str, Any]:
    stamp = moment.strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "ts": stamp,
        "source": "gt",
        "type": kind,
        "actor": actor,
        "payload": payload,
        "visibility": "feed",
    }


def _row(plant: Plant, script: Script, session_id: str) -> dict[str, Any]:
    return {
        "kind": plant.kind,
        "rule": planted.RULES.get(plant.kind, plant.kind),
        "personal": plant.personal,
        "role": script.role,
        "session_id": session_id,
        "parts": list(plant.parts),
    }


def _settings() -> dict[str, str]:
    rigs = {
        rig: {"git_url": f"file:///srv/git/{rig}.git", "beads": {"repo": "", "prefix": prefix}}
        for rig, prefix in names.RIGS.items()
    }
    town = {"type": "town", "version": 2, "name": "sample", "created_at": "2026-01-05T06:00:00Z"}
    settings = {
        "type": "town-settings",
        "version": 1,
        "default_agent": "claude",
        "agents": {},
        "role_agents": {},
    }
    files = {
        "mayor/town.json": town,
        "mayor/rigs.json": {"version": 1, "rigs": rigs},
        "settings/config.json": settings,
    }
    return {path: json.dumps(content, indent=2) + "\n" for path, content in files.items()}


def _jsonl(lines: list[dict[str, Any]]) -> str:
    return "".join(json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n" for line in lines)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
