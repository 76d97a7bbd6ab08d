# SPDX-License-Identifier: Apache-2.0
import os
from pathlib import Path

import pytest
from eval_fakes import Guesser, words

from node0.commands.eval.kept_reports import is_place, list_reports, read_report, write_report
from node0.errors import BadCheckpoint, ConfigError, NotFound
from node0.finetune.eval.report.eval_report import Bars, Report, build_report
from node0.finetune.eval.running.eval_runner import EvalRunner, Trying
from node0.finetune.eval.running.run_files import EvalDirectory
from node0.finetune.registry.schema import ModelRegistryEntry
from node0.finetune.registry.store import ModelRegistry
from node0.town import Town


def _evaluate(directory: Path, name: str = "dm:1", *, count: int = 4, digest: str = "d1") -> Report:
    tasks, trying, model = words(count=count), Trying(epochs=2), Guesser(name=name, digest=digest)
    results = EvalRunner(tasks, trying).run(model, suite="words", directory=EvalDirectory(directory))
    report = build_report(trying.plan("words", tasks, model), tasks, results, nulls={}, bars=Bars(0.8, 0.6))
    write_report(directory, report, None)
    return report


def test_a_report_is_found_by_directory_file_and_version(town_root: Path) -> None:
    ModelRegistry(Town(town_root)).register(ModelRegistryEntry(name="dm", role="deacon", artifact_path="/x"))
    directory = town_root / ".models" / "evals" / "one"
    report = _evaluate(directory)

    assert read_report(str(directory), town_root) == report
    assert read_report(str(directory / "report.json"), town_root) == report
    assert read_report("dm", town_root) == report


def test_a_version_is_not_the_directory_that_is_called_like_it(
    town_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ModelRegistry(Town(town_root)).register(ModelRegistryEntry(name="dm", role="deacon", artifact_path="/x"))
    report = _evaluate(town_root / ".models" / "evals" / "one")
    for name in ("dm", "other"):
        (town_root / name).mkdir()
    monkeypatch.chdir(town_root)

    assert read_report("dm", None) == report
    assert not is_place("dm", None) and is_place("./dm", None) and is_place("other", None)


def test_a_versions_report_of_the_same_items_is_found_behind_newer_ones(town_root: Path) -> None:
    ModelRegistry(Town(town_root)).register(ModelRegistryEntry(name="dm", role="deacon", artifact_path="/x"))
    evals = town_root / ".models" / "evals"
    whole = _evaluate(evals / "whole")
    part = _evaluate(evals / "part", count=2)
    _evaluate(evals / "elsewhere", count=2, digest="url:http://a dm:1")
    for age, name in enumerate(("elsewhere", "part", "whole")):
        os.utime(evals / name / "report.json", (1e9 - age, 1e9 - age))
    (evals / "broken").mkdir()
    (evals / "broken" / "plan.json").write_text('{"model": "x", "model_digest": "", "suite_digest": ""}')
    (evals / "broken" / "report.json").write_text("{")

    assert read_report("dm:1", town_root) == part
    assert read_report("dm:1", town_root, suite_digest=whole["plan"]["suite_digest"]) == whole
    with pytest.raises(NotFound, match=r"dm:1 has no report of the same items \(ffff"):
        read_report("dm:1", town_root, suite_digest="f" * 64)
    with pytest.raises(ConfigError, match="evaluate both on one suite"):
        read_report(str(evals / "part"), town_root, suite_digest=whole["plan"]["suite_digest"])


def test_a_version_or_directory_without_a_report_is_told_how_to_get_one(town_root: Path) -> None:
    ModelRegistry(Town(town_root)).register(ModelRegistryEntry(name="dm", role="deacon", artifact_path="/x"))

    with pytest.raises(NotFound, match="node0 eval run dm:1"):
        read_report("dm", town_root)
    with pytest.raises(NotFound, match="finish it with"):
        read_report(str(town_root), town_root)


@pytest.mark.parametrize("text", ["{", "[]", '{"format": 99}'])
def test_a_file_that_is_no_report_is_refused(text: str, town_root: Path) -> None:
    (town_root / "report.json").write_text(text)

    with pytest.raises(BadCheckpoint, match="is no report"):
        read_report(str(town_root), town_root)


def test_unfinished_evaluations_are_listed_too(town_root: Path) -> None:
    evals = town_root / ".models" / "evals"
    done = _evaluate(evals / "a")
    _evaluate(evals / "b")
    (evals / "b" / "report.json").unlink()

    first, second = list_reports(town_root)

    assert (first["score"], first["trials"]) == (done["composite"]["score"], 8)
    assert (second["score"], second["trials"]) == (None, 8)
