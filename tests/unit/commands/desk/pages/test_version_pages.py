# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest
from desk_town import HOSTILE, desk_town
from eval_fakes import Guesser, words

from node0.commands.desk.pages.desk_page import Asked, Desk, Moved
from node0.commands.desk.pages.version_pages import promote, report, version, versions
from node0.commands.eval.kept_reports import write_report
from node0.errors import NotFound
from node0.finetune.eval.report.eval_report import Bars, build_report
from node0.finetune.eval.running.eval_runner import EvalRunner, Trying
from node0.finetune.eval.running.run_files import EvalDirectory
from node0.finetune.registry.store import ModelRegistry


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(desk_town(tmp_path / "gt"))


def _evaluate(desk: Desk, name: str) -> None:
    tasks, trying, model = words(count=4), Trying(epochs=2), Guesser(name=name, digest="d1")
    directory = desk.town.models / "evals" / name.replace(":", "-")
    results = EvalRunner(tasks, trying).run(model, suite="words", directory=EvalDirectory(directory))
    made = build_report(trying.plan("words", tasks, model), tasks, results, nulls={}, bars=Bars(0.8, 0.6))
    write_report(directory, made, None)


def test_versions_are_listed_with_their_aliases(desk: Desk) -> None:
    rows = versions(desk, Asked()).content["rows"]

    assert [(row["VERSION"], row["ALIAS"]) for row in rows] == [("mayor:2", "-"), ("mayor:1", "@candidate")]
    assert versions(desk, Asked(query={"role": "deacon"})).content["rows"] == []
    with pytest.raises(NotFound, match="wizard"):
        versions(desk, Asked(query={"role": "wizard"}))


def test_a_version_shows_its_lineage_and_what_its_aliases_did(desk: Desk) -> None:
    page = version(desk, Asked(path={"name": "mayor:2"})).content

    assert [row["MODEL"] for row in page["lineage"]] == ["mayor:2", "mayor:1"]
    (move,) = [event for event in page["events"] if event.event == "alias"]
    assert (move.detail["alias"], move.detail["to"]) == ("candidate", 1)
    assert move.reason == " ".join(HOSTILE.split())
    assert not page["is_candidate"]


def test_the_alias_moves_and_the_reason_is_kept(desk: Desk) -> None:
    moved = promote(desk, Asked(path={"name": "mayor:2"}, form={"reason": "it is better"}))

    registry = ModelRegistry(desk.town)
    try:
        assert registry.require("mayor@candidate").version == 2
        assert registry.history("mayor")[-1].reason == "it is better"
    finally:
        registry.close()
    assert moved == Moved("/versions/mayor:2")
    with pytest.raises(NotFound, match="nothing"):
        promote(desk, Asked(path={"name": "nothing"}))


def test_a_report_is_the_page_that_the_evaluation_wrote_with_its_policy(desk: Desk) -> None:
    _evaluate(desk, "mayor:1")
    _evaluate(desk, "mayor:2")

    (kept,) = version(desk, Asked(path={"name": "mayor:2"})).content["reports"]
    shown = report(desk, Asked(path={"name": "mayor:2", "number": "1"}))

    assert kept["suite"] == "words"
    assert "<h1>mayor:2 on words</h1>" in shown.html
    assert shown.policy == "default-src 'none'; style-src 'unsafe-inline'"
    with pytest.raises(NotFound, match="mayor:2 has 1 reports, no number 2"):
        report(desk, Asked(path={"name": "mayor:2", "number": "2"}))


def test_a_report_that_cannot_be_read_hides_no_version(desk: Desk) -> None:
    _evaluate(desk, "mayor:2")
    (desk.town.models / "evals" / "mayor-2" / "report.json").write_text("{")

    page = version(desk, Asked(path={"name": "mayor:2"})).content

    assert page["reports"] == []
    assert "report.json is no report" in page["problem"]
