# SPDX-License-Identifier: Apache-2.0
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from deploy_town import deployer, registry, town

from node0.commands.town.show_town import show_status
from node0.commands.town.town_options import main
from node0.commands.town.town_savings import town_savings
from node0.errors import ConfigError, NotFound
from node0.finetune.corpus.schema import CorpusEntry
from node0.finetune.corpus.store import CorpusStore
from node0.finetune.deploy.deployer import Deployer
from node0.finetune.deploy.endpoint import Endpoint
from node0.finetune.registry.store import ModelRegistry
from node0.town import Town

__all__ = ["deployer", "registry", "town"]

Output = pytest.CaptureFixture[str]

RATES = "savings: {currency: USD, rates: {deacon: {input: 1000000, cached_input: 0, output: 2000000}}}\n"
"A token read costs 1, one written 2."


@pytest.fixture
def worked(town: Town, registry: ModelRegistry, deployer: Deployer) -> Town:
    """A town in which deacon:1 had 4 sessions, one of which failed, and other agents 2 before."""
    deployer.deploy(deployer.plan("deacon:1", endpoint=Endpoint()))
    now = datetime.now(UTC)
    for number in range(6):
        is_ours = number >= 2
        at = now + timedelta(seconds=1) if is_ours else now - timedelta(days=1)
        CorpusStore(town).add(
            CorpusEntry(
                id=f"s{number}", role="deacon", rig="demo", task_type="patrol",
                outcome="failure" if number == 2 else "success", created_at=at.isoformat(),
                messages=[{"role": "user", "content": "a" * 40}, {"role": "assistant", "content": "b" * 8}],
                source="claude-code", session_id=f"s{number}",
            )
        )  # fmt: skip
    return town


def _status(town: Town, capsys: Output) -> list[dict[str, Any]]:
    capsys.readouterr()
    show_status(town.root, as_json=True)
    return [row for row in json.loads(capsys.readouterr().out) if row["check"] == "savings"]


def test_what_ours_did_stands_beside_the_others_with_its_price(worked: Town, capsys: Output) -> None:
    worked.model_settings_file.write_text(RATES)

    assert main(["savings", "--town", str(worked.root), "--json"]) == 0

    (row,) = json.loads(capsys.readouterr().out)
    assert (row["role"], row["versions"]) == ("deacon", ["deacon:1"])
    assert (row["ours"]["sessions"], row["ours"]["succeeded"], row["ours"]["known"]) == (4, 3, 4)
    assert (row["others"]["sessions"], row["others"]["share"]) == (2, 1.0)
    assert row["billed"] == {"input": 40, "cached_input": 0, "output": 8}
    assert (row["price"], row["currency"]) == (56.0, "USD")


def test_without_rates_status_says_how_to_set_them_and_no_price(worked: Town, capsys: Output) -> None:
    (line,) = _status(worked, capsys)

    assert line["state"] == "note"
    assert "deacon: deacon:1 did 4 sessions, 3 of 4 succeeded (75%, 30% to 95%)" in line["found"]
    assert "savings.rates" in line["do"]


def test_with_rates_status_tells_the_price(worked: Town, capsys: Output) -> None:
    worked.model_settings_file.write_text(RATES)

    (line,) = _status(worked, capsys)

    assert line["state"] == "ok"
    assert "at your rates 56.00 USD" in line["found"]
    assert "other agents: 2 sessions, 2 of 2 succeeded" in line["found"]
    main(["savings", "--town", str(worked.root), "--json"])
    assert [line["savings"]] == json.loads(capsys.readouterr().out)


def test_the_table_of_status_has_the_line_and_no_figures_beside_it(worked: Town, capsys: Output) -> None:
    show_status(worked.root, as_json=False)

    shown = capsys.readouterr().out
    assert "savings" in shown and "cached_input" not in shown


def test_a_table_is_printed_for_people(worked: Town, monkeypatch: pytest.MonkeyPatch, capsys: Output) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    assert main(["savings", "--town", str(worked.root)]) == 0

    assert "75% [30%, 95%] of 4" in capsys.readouterr().out


def test_where_nothing_of_ours_worked_there_is_no_line(town: Town, capsys: Output) -> None:
    assert _status(town, capsys) == []
    assert main(["savings", "--town", str(town.root)]) == 0
    assert "no session of a version of ours was collected" in capsys.readouterr().err


def test_an_entry_that_cannot_be_read_is_named_and_not_priced(
    worked: Town, registry: ModelRegistry, caplog: pytest.LogCaptureFixture
) -> None:
    worked.model_settings_file.write_text(RATES)
    path = worked.corpus / "deacon" / "s3.json"
    path.write_text(path.read_text().replace("aaaa", "cccc"))

    (found,) = town_savings(worked, registry)

    assert found.price == 42.0
    assert "s3.json was changed by hand" in caplog.text


@pytest.mark.parametrize(
    ("text", "error", "said"),
    [
        ("savings: {rates: {deacon: {input: 1, output: 2}}}", ConfigError, "cached_input"),
        ("savings: {rate: {}}", ConfigError, "did you mean 'rates'"),
        ("savings: {rates: {decon: {input: 1, cached_input: 1, output: 2}}}", NotFound, "deacon"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(
    worked: Town, registry: ModelRegistry, text: str, error: type[Exception], said: str
) -> None:
    worked.model_settings_file.write_text(text)

    with pytest.raises(error, match=said):
        town_savings(worked, registry)


def test_imported_entries_are_no_sessions_of_this_town(worked: Town, registry: ModelRegistry) -> None:
    store = CorpusStore(worked)
    store.add(store.get("s3").model_copy(update={"source": "import"}))

    (found,) = town_savings(worked, registry)

    assert found.ours.sessions == 3
    assert Path(worked.corpus / "deacon" / "s3.json").is_file()
