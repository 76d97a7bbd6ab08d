# SPDX-License-Identifier: Apache-2.0
from datetime import UTC, datetime, timedelta

import pytest
from deploy_town import deployer, registry, town
from desk_town import entry

from node0.commands.desk.pages.desk_page import Asked, Desk
from node0.commands.desk.pages.savings_pages import saved
from node0.finetune.corpus.store import CorpusStore
from node0.finetune.deploy.deployer import Deployer
from node0.finetune.deploy.endpoint import Endpoint
from node0.finetune.registry.store import ModelRegistry
from node0.town import Town

__all__ = ["deployer", "registry", "town"]


@pytest.mark.parametrize(
    ("rates", "price"), [("", "-"), ("{input: 1e6, cached_input: 0, output: 0}", "4.00")]
)
def test_what_ours_did_is_a_row_with_a_price_where_rates_are_set(
    town: Town, registry: ModelRegistry, deployer: Deployer, rates: str, price: str
) -> None:
    deployer.deploy(deployer.plan("deacon:1", endpoint=Endpoint()))
    registry.close()
    at = (datetime.now(UTC) + timedelta(seconds=1)).isoformat()
    facts = {"source": "claude-code", "session_id": "s", "created_at": at, "systems": {}, "toolsets": {}}
    CorpusStore(town).add(entry("s", "x" * 16, role="deacon").model_copy(update=facts))
    town.model_settings_file.write_text(f"savings: {{rates: {{deacon: {rates}}}}}" if rates else "")

    content = saved(Desk(town), Asked()).content

    (row,) = content["rows"]
    assert (row["ROLE"], row["OURS"], row["PRICE"]) == ("deacon", 1, price)
    assert content["unpriced"] is not bool(rates)
