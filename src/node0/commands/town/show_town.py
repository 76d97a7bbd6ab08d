# SPDX-License-Identifier: Apache-2.0
"""Show what was found of a town, and of the programs that it needs."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from node0 import console
from node0.check_result import CheckResult, bad
from node0.commands.model.open_registry import open_deployer, open_registry
from node0.commands.town.installed_places import places
from node0.commands.town.town_savings import town_savings
from node0.errors import Node0Error
from node0.finetune.corpus.staleness import ConventionStalenessTracker
from node0.finetune.gastown.collection_checks import collection_checks
from node0.finetune.gastown.install_record import read_record
from node0.finetune.gastown.installation import plan_install
from node0.finetune.gastown.model_checks import model_checks
from node0.finetune.gastown.own_settings import read_own_settings
from node0.finetune.gastown.program_checks import fits, program_checks
from node0.finetune.gastown.programs import find_program
from node0.finetune.gastown.town_checks import town_checks
from node0.finetune.gastown.upkeep.night_report import night_check
from node0.finetune.gastown.upkeep.stale_sessions import session_checks
from node0.town import Town


@dataclass(frozen=True, slots=True)
class SavingsResult(CheckResult):
    """What versions of ours did for a role, as a line and as figures."""

    savings: dict[str, Any] = field(default_factory=dict)
    "As `node0 town savings --json` gives them."


def show_status(root: Path | None, *, as_json: bool) -> int:
    """Print a line for each thing found; 1 when something is wrong."""
    town = Town.locate(root)
    found = [*town_checks(town), *fits({name: find_program(name) for name in ("gt", "bd")})]
    if town.is_gas_town:
        found += _guarded("sessions", session_checks(town))
        found += _guarded("installed", _collecting(town))
    found += _guarded("models", _models(town))
    found += _guarded("savings", _savings(town))
    return _show(found, as_json=as_json)


def show_programs(*, as_json: bool) -> int:
    """Print a line for each program; 1 when something is wrong."""
    return _show(list(program_checks()), as_json=as_json)


def _collecting(town: Town) -> Iterable[CheckResult]:
    record = read_record(town)
    plan = None
    if record is not None:
        plan = plan_install(town, read_own_settings(town), places(town), was=record)
    yield from collection_checks(town, record, plan, now=datetime.now(UTC))
    yield night_check(town)


def _models(town: Town) -> Iterable[CheckResult]:
    with open_deployer(town.root) as (deployer, registry, _):
        yield from model_checks(registry, deployer, ConventionStalenessTracker(registry, town))


def _savings(town: Town) -> Iterable[CheckResult]:
    """A line for each role in which a version of ours had a session."""
    with open_registry(town.root) as (registry, _):
        rows = town_savings(town, registry)
    for one in rows:
        do = f"set savings.rates in {town.model_settings_file} for a price" if one.price is None else ""
        yield SavingsResult("savings", "note" if do else "ok", str(one), do, one.model_dump())


def _guarded(check: str, results: Iterable[CheckResult]) -> Iterable[CheckResult]:
    """The results, and one more where a file that they need cannot be read."""
    try:
        yield from results
    except Node0Error as error:
        yield bad(check, str(error), "do what it says, and look again")


def _show(found: list[CheckResult], *, as_json: bool) -> int:
    rows = [asdict(result) for result in found]
    if not as_json:
        rows = [{name: row[name] for name in CheckResult.__slots__} for row in rows]
    console.emit(rows, as_json=as_json)
    return console.FAILED if any(result.state == "bad" for result in found) else 0
