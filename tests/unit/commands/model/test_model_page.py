# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

from node0.commands.model.model_page import WIDTH, ModelPage
from node0.finetune.manifest import Artefact
from node0.finetune.registry.deployments import Deployment
from node0.finetune.registry.evaluations import Evaluation
from node0.finetune.registry.schema import ModelRegistryEntry
from node0.finetune.registry.states import Alias
from node0.town import Town

TOWN = Town(Path("/srv/gt"))
ENTRY = ModelRegistryEntry(
    name="deacon",
    role="deacon",
    version=2,
    base_model="/bases/small",
    base_digest="b" * 64,
    artifact_path="/srv/gt/.models/deacon/0123456789abcdef",
    artefacts=[Artefact(path="w.safetensors", sha256="a" * 64, size=2048)],
)
AT_WORK = Deployment(
    name="deacon",
    version=2,
    role="deacon",
    agent="ft-deacon-v2",
    rigs=["demo"],
    endpoint={"url": "http://127.0.0.1:8642"},
    edits=[],
    forced=True,
    actor="root",
    reason="no suite yet " * 20,
    started_at="2026-11-25T10:00:00+00:00",
)


def test_a_bare_version_has_a_dash_for_what_nobody_knows() -> None:
    lines = ModelPage(ENTRY, [], [], [], []).text(TOWN).splitlines()

    assert lines[0] == "deacon:2"
    assert "  corpus        -" in lines
    assert "  files         1, 2,048 bytes in .models/deacon/0123456789abcdef" in lines
    assert "  intact        yes, signed" in lines


def test_scores_deployments_and_problems_have_lines_of_at_most_eighty_columns() -> None:
    score = Evaluation(suite="held-out", items=9, score=0.5, low=0.25, high=0.75, at="2026-11-25T10")
    page = ModelPage(ENTRY, [Alias.ACTIVE], [score], [AT_WORK], ["w.safetensors " + "is gone " * 30]).text(
        TOWN
    )

    flat = " ".join(page.split())
    assert "registered, @active" in flat
    assert "eval held-out 0.500 [0.250, 0.750], 9 items, 2026-11-25" in flat
    assert (
        "at work in rig demo as ft-deacon-v2 at http://127.0.0.1:8642 since 2026-11-25T10:00 by root" in flat
    )
    assert "forced: no suite yet" in flat
    assert "intact no: w.safetensors is gone" in flat
    assert max(map(len, page.splitlines())) <= WIDTH


def test_a_path_outside_the_town_is_whole_and_a_long_one_is_folded() -> None:
    path = "/elsewhere/" + "directory/" * 20
    page = ModelPage(ENTRY.model_copy(update={"artifact_path": path}), [], [], [], []).text(TOWN)

    assert path in "".join(page.split())
    assert max(map(len, page.splitlines())) <= WIDTH
