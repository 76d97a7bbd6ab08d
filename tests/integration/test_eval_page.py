# SPDX-License-Identifier: Apache-2.0
"""The page of an evaluation as a browser shows it, at two widths."""

import json
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest
from eval_fakes import Guesser, words
from integration.browser import BROWSER, FLAGS, SECONDS, WHY_NOT, environment
from replayed_sessions import Ruled, session

from node0.finetune.eval.replay import commonest_answer, replay_tasks
from node0.finetune.eval.replay_figures import replay_rows
from node0.finetune.eval.report.eval_report import Bars, Report, build_report
from node0.finetune.eval.report.html_page import report_page
from node0.finetune.eval.running.eval_runner import EvalRunner, Trying
from node0.finetune.eval.running.null_outcomes import null_outcomes

pytestmark = pytest.mark.integration

TASKS = [*words(count=12), *words("a_category_with_a_rather_long_name", count=8)]
TRYING = Trying(epochs=3)
PROBE = """
<script>
  const found = {errors: [], width: innerWidth};
  addEventListener("error", event => found.errors.push(String(event.message)));
  addEventListener("load", () => {
    found.wide = document.documentElement.scrollWidth;
    found.failures = document.querySelectorAll("details.failure").length;
    found.scripts = document.scripts.length;
    found.links = [...document.links].map(link => document.querySelector(link.hash) !== null);
    const bars = [...document.querySelectorAll(".fill")];
    found.bars = bars.map(bar => bar.getBoundingClientRect().width > 0);
    const answers = [...document.querySelectorAll("details.failure pre")];
    found.shown = [answers.filter(each => each.checkVisibility()).length];
    document.querySelectorAll("details").forEach(each => { each.open = true; });
    found.shown.push(answers.filter(each => each.checkVisibility()).length === answers.length);
    found.wideOpened = document.documentElement.scrollWidth;
    found.columns = new Set([...document.querySelectorAll(".row:first-of-type > *")].map(
      each => each.getBoundingClientRect().left)).size;
    const told = document.createElement("p");
    told.id = "found";
    told.textContent = JSON.stringify(found);
    document.body.append(told);
  });
</script>
"""


class _Found(HTMLParser):
    """Reads what the probe wrote into the page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self._inside, self.text = False, ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._inside = ("id", "found") in attrs

    def handle_data(self, data: str) -> None:
        self.text += data if self._inside else ""

    def handle_endtag(self, tag: str) -> None:
        self._inside = False


def _report(model: Guesser) -> Report:
    results = EvalRunner(TASKS, TRYING).run(model)
    nulls = null_outcomes(TASKS, concurrency=1)
    return build_report(TRYING.plan("words", TASKS, model), TASKS, results, nulls=nulls, bars=Bars(0.8, 0.6))


@pytest.mark.skipif(BROWSER is None, reason=WHY_NOT)
@pytest.mark.parametrize(("width", "columns"), [(1280, 3), (600, 1)])
def test_the_page_fits_its_window_and_opens_what_it_hides(width: int, columns: int, tmp_path: Path) -> None:
    old = _report(Guesser(chance=lambda category: 0.9, name="deacon:1"))
    new = _report(Guesser(chance=lambda category: 0.5, name="deacon:2"))
    failed = sum(item["passes"] < item["trials"] for item in new["items"])
    # The page allows no script; the probe alone is let in, and what a model wrote still does not run.
    page = report_page(new, old).replace("default-src 'none';", "script-src 'unsafe-inline';", 1)
    (tmp_path / "page.html").write_text(page.replace("<body>", f"<body>{PROBE}", 1))

    found = _shown(tmp_path, width)

    assert found["errors"] == []
    assert found["scripts"] == 1
    assert found["wide"] <= found["width"] == width
    assert found["wideOpened"] <= width
    assert found["failures"] == failed > 0
    assert found["links"] == [True] * 3
    assert found["bars"] == [True] * 4
    assert found["shown"] == [0, True]
    assert found["columns"] == columns


@pytest.mark.skipif(BROWSER is None, reason=WHY_NOT)
@pytest.mark.parametrize("width", [1280, 600])
def test_a_page_of_replayed_sessions_fits_too(width: int, tmp_path: Path) -> None:
    tasks = replay_tasks([session(f"gt-{number}") for number in range(6)])
    model = Ruled(lambda last: "gt escalate " + "a-very-long-word-without-a-space" * 12)
    results = EvalRunner(tasks, TRYING).run(model)
    nulls = null_outcomes(tasks, concurrency=1, more=[commonest_answer(tasks)])
    plan, rows = TRYING.plan("replay", tasks, model), replay_rows(tasks, results)
    report = build_report(plan, tasks, results, nulls=nulls, bars=Bars(0.6, 0.6), replayed=rows)
    page = report_page(report, report).replace("default-src 'none';", "script-src 'unsafe-inline';", 1)
    (tmp_path / "page.html").write_text(page.replace("<body>", f"<body>{PROBE}", 1))

    found = _shown(tmp_path, width)

    assert found["errors"] == []
    assert found["wideOpened"] <= found["width"] == width
    assert found["failures"] == 6
    assert found["links"] == [True] * 3


def _shown(place: Path, width: int) -> dict[str, object]:
    profile, window = f"--user-data-dir={place / 'browser'}", f"--window-size={width},900"
    page = (place / "page.html").as_uri()
    with environment() as variables:
        done = subprocess.run(
            [str(BROWSER), *FLAGS, profile, window, "--dump-dom", page],
            env=variables,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=True,
        )
    read: dict[str, object] = json.loads(_Found(done.stdout).text)
    return read
