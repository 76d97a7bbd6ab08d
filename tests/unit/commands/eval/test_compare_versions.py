# SPDX-License-Identifier: Apache-2.0
import json
from pathlib import Path

import pytest
from eval_fakes import Guesser, words

from node0.commands.eval.compare_versions import compare_versions, show_report
from node0.commands.eval.kept_reports import write_report
from node0.errors import ConfigError
from node0.finetune.eval.report.eval_report import Bars, build_report
from node0.finetune.eval.running.eval_runner import EvalRunner, Trying
from node0.town import Town

Printed = pytest.CaptureFixture[str]


def _evaluate(directory: Path, chance: float, *, count: int = 20) -> str:
    tasks, trying = words(count=count), Trying(epochs=2)
    model = Guesser(chance=lambda category: chance)
    results = EvalRunner(tasks, trying).run(model)
    plan = trying.plan("words", tasks, model)
    write_report(directory, build_report(plan, tasks, results, nulls={}, bars=Bars(0.8, 0.6)), None)
    return str(directory)


def test_a_fall_ends_with_the_code_of_a_gate(tmp_path: Path, capsys: Printed) -> None:
    good, bad = _evaluate(tmp_path / "good", 1.0), _evaluate(tmp_path / "bad", 0.4)

    assert compare_versions(good, bad, None, page=None, as_json=True) == 3
    (row,) = json.loads(capsys.readouterr().out)
    assert row["verdict"] == "fail"
    assert compare_versions(bad, good, None, page=None, as_json=True) == 0


def test_what_a_town_bears_is_no_fall(tmp_path: Path, town_root: Path, capsys: Printed) -> None:
    good, bad = _evaluate(tmp_path / "good", 1.0), _evaluate(tmp_path / "bad", 0.4)
    file = Town(town_root).model_settings_file
    file.parent.mkdir(parents=True)
    file.write_text("gate: {margin: 1.0}\n")

    code = compare_versions(good, bad, town_root, page=tmp_path / "both.html", as_json=True)

    assert code == 0
    assert json.loads(capsys.readouterr().out)[0]["verdict"] == "pass"
    assert (
        "fail" not in (tmp_path / "both.html").read_text().partition('id="comparison"')[2].partition("<h2")[0]
    )


def test_reports_of_different_suites_are_not_compared(tmp_path: Path) -> None:
    one, other = _evaluate(tmp_path / "one", 1.0), _evaluate(tmp_path / "other", 1.0, count=5)

    with pytest.raises(ConfigError, match="evaluate both on one suite"):
        compare_versions(one, other, None, page=None, as_json=True)
    with pytest.raises(ConfigError, match="evaluate both on one suite"):
        show_report(one, None, against=other, as_json=True)


def test_a_report_is_shown_beside_another_one(tmp_path: Path, capsys: Printed) -> None:
    one, other = _evaluate(tmp_path / "one", 0.5), _evaluate(tmp_path / "other", 1.0)

    show_report(one, None, against=other, as_json=True)

    assert json.loads(capsys.readouterr().out)[0]["category"] == "words"
    assert "comparison" in (tmp_path / "one" / "report.html").read_text()
