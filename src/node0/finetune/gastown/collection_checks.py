# SPDX-License-Identifier: Apache-2.0
"""Check how a town's sessions are collected: what is installed for it, and when it last happened."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from node0.check_result import CheckResult, bad, note, ok
from node0.finetune.corpus.collector import STATE
from node0.finetune.corpus.store import CorpusStore
from node0.finetune.gastown.claude_trust import trusted_by
from node0.finetune.gastown.collection_files import unit_name
from node0.finetune.gastown.install_record import InstallRecord
from node0.finetune.gastown.installation import InstallPlan
from node0.finetune.gastown.user_timer import is_enabled
from node0.town import Town

LATE = timedelta(days=2)
"gt drops the starts of sessions after three days: what is not collected by then loses its role."

AGAIN = "node0 town install"


def collection_checks(
    town: Town, record: InstallRecord | None, plan: InstallPlan | None, *, now: datetime
) -> Iterator[CheckResult]:
    """Every check of collecting.

    Args:
        town: whose sessions are collected.
        record: of the installation; None where there is none.
        plan: what installing the same again would change.
        now: with a time zone.
    """
    yield installed(record, plan)
    if record is not None:
        yield from timer(town, record)
    yield corpus(town, now)


def installed(record: InstallRecord | None, plan: InstallPlan | None) -> CheckResult:
    """Whether everything that was installed is as it was written."""
    if record is None or plan is None:
        return note("installed", "nothing", AGAIN)
    if plan.changes:
        names = ", ".join(str(change.path) for change in plan.changes)
        told = f"not as it was written: {names}"
        return bad("installed", told, "node0 town status --fix, or first: node0 town install --dry-run")
    return ok("installed", f"{len(record.files)} files, {len(record.agents)} agents{_outside(record)}")


def timer(town: Town, record: InstallRecord) -> Iterator[CheckResult]:
    """Whether the timer that was installed runs."""
    unit = f"{unit_name(town)}.timer"
    if not any(Path(name).name == unit for name in record.files):
        return
    if is_enabled(unit):
        yield ok("timer", f"{unit} is enabled")
    else:
        yield note(
            "timer",
            f"{unit} is not enabled: the hook and the plugin alone collect",
            f"systemctl --user enable --now {unit}, or cron: node0 corpus collect --town {town.root}",
        )


def corpus(town: Town, now: datetime) -> CheckResult:
    """When sessions were last collected, and how many entries there are."""
    store = CorpusStore(town)
    state = store.root / STATE
    if not state.is_file():
        return note("corpus", "nothing was collected yet", f"node0 corpus collect --town {town.root}")
    age = now - _written(state)
    count = sum(len(store.paths(role)) for role in store.roles())
    shown = f"{count} entries, collected {_spoken(age)} ago"
    waits = town.events_file.is_file() and _written(town.events_file) > _written(state)
    if waits and age > LATE:
        told = f"{shown}; gt forgets who a session was after 3 days"
        return bad("corpus", told, f"node0 corpus collect --town {town.root}")
    return ok("corpus", shown)


def _outside(record: InstallRecord) -> str:
    hook = f", a hook in {record.hook.file}" if record.hook is not None else ""
    trusted = "".join(
        f", {len(places)} directories trusted in {file}" for file, places in trusted_by(record.trust).items()
    )
    return hook + trusted


def _written(path: Path) -> datetime:
    return datetime.fromtimestamp(path.stat().st_mtime, UTC)


def _spoken(age: timedelta) -> str:
    hours = max(0, round(age.total_seconds() / 3600))
    return f"{hours} hours" if hours < 48 else f"{hours // 24} days"
