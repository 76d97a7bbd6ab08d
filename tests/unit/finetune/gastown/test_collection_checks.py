# SPDX-License-Identifier: Apache-2.0
import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from node0.check_result import CheckResult
from node0.finetune.gastown.collection_checks import collection_checks, corpus
from node0.finetune.gastown.install_record import read_record
from node0.finetune.gastown.installation import Places, carry_out, plan_install
from node0.finetune.gastown.own_settings import OwnSettings
from node0.town import Town

NOW = datetime(2026, 3, 10, tzinfo=UTC)
WANTED = OwnSettings(base_model="/base", roles=["deacon"], claude_hook=True)


def checks(town: Town, places: Places, settings: OwnSettings = WANTED) -> dict[str, CheckResult]:
    record = read_record(town)
    plan = plan_install(town, settings, places, was=record) if record is not None else None
    return {one.check: one for one in collection_checks(town, record, plan, now=NOW)}


def install(town: Town, places: Places, settings: OwnSettings = WANTED) -> None:
    carry_out(town, plan_install(town, settings, places, was=None), was=None)


def test_a_town_in_which_nothing_is_installed_is_told_how(town: Town, places: Places) -> None:
    found = checks(town, places)

    assert {name: one.state for name, one in found.items()} == {"installed": "note", "corpus": "note"}
    assert found["installed"].do == "node0 town install"


def test_what_is_installed_is_counted_and_the_timer_is_asked_for(town: Town, places: Places) -> None:
    install(town, places)

    found = checks(town, places)

    assert found["installed"].found == f"7 files, 1 agents, a hook in {places.claude_settings}"
    assert found["timer"].state == "note" and "enable --now" in found["timer"].do


def test_without_a_timer_none_is_asked_for(town: Town, places: Places) -> None:
    settings = OwnSettings(timer=False)
    install(town, places, settings)

    assert "timer" not in checks(town, places, settings)


def test_what_is_not_as_it_was_written_is_named(town: Town, places: Places) -> None:
    install(town, places)
    town.collect_script.write_text("exit 3")

    found = checks(town, places)["installed"]

    assert found.state == "bad" and str(town.collect_script) in found.found
    assert (
        checks(town, replace(places, program=places.program.with_name("moved")))["installed"].state == "bad"
    )


@pytest.mark.parametrize(
    ("collected", "happened", "state"), [(1, 0, "ok"), (72, 0, "bad"), (72, 80, "ok"), (47, 1, "ok")]
)
def test_sessions_that_wait_too_long_are_bad(town: Town, collected: int, happened: int, state: str) -> None:
    for file, hours in {town.corpus / ".collector.json": collected, town.events_file: happened}.items():
        file.parent.mkdir(exist_ok=True)
        file.write_text("{}")
        at = (NOW - timedelta(hours=hours)).timestamp()
        os.utime(file, (at, at))

    found = corpus(town, NOW)

    assert found.state == state
    assert found.found.startswith(
        f"0 entries, collected {'3 days' if collected == 72 else f'{collected} hours'}"
    )
