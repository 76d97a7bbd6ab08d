# SPDX-License-Identifier: Apache-2.0
from html.parser import HTMLParser

from eval_fakes import Guesser, words

from node0.finetune.eval.report.eval_report import Bars, Report, build_report
from node0.finetune.eval.report.html_page import report_page
from node0.finetune.eval.running.eval_runner import EvalRunner, Trying
from node0.finetune.eval.running.null_outcomes import null_outcomes

TASKS = [*words(count=8), *words("others", count=6)]
TRYING = Trying(epochs=3)
VOID = {"meta"}


class Page(HTMLParser):
    """Reads a page: its tags, whether each is closed in turn, its ids, links and words."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.classes: list[str] = []
        self.loaded: list[str] = []
        self.words = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.tags.append(tag)
        self.open += [] if tag in VOID else [tag]
        self.ids += [given["id"] or ""] if "id" in given else []
        self.links += [given["href"] or ""] if tag == "a" else []
        self.classes += (given.get("class") or "").split()
        self.loaded += [name for name in given if name in ("src", "srcset") or name.startswith("on")]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += data


def _report(model: Guesser) -> Report:
    results = EvalRunner(TASKS, TRYING).run(model)
    nulls = null_outcomes(TASKS, concurrency=1)
    return build_report(TRYING.plan("words", TASKS, model), TASKS, results, nulls=nulls, bars=Bars(0.8, 0.6))


def test_the_page_shows_as_many_failures_as_there_are() -> None:
    report = _report(Guesser())
    failed = [item for item in report["items"] if item["passes"] < item["trials"]]

    page = Page(report_page(report))

    assert page.open == []
    assert page.classes.count("failure") == len(failed) > 0
    assert f"Failures ({len(failed)})" in page.words
    assert f"{len(TASKS) - len(failed)} items passed in every trial" in page.words
    assert page.classes.count("row") == 2
    assert all(f"{item['category']}.{item['id']}" in page.ids for item in failed)


def test_every_link_leads_to_a_place_on_the_page() -> None:
    page = Page(report_page(_report(Guesser())))

    assert len(page.links) == 3
    assert {link.removeprefix("#") for link in page.links} <= set(page.ids)
    assert len(page.ids) == len(set(page.ids))


def test_nothing_is_loaded_and_nothing_runs_whatever_a_model_wrote() -> None:
    page = Page(report_page(_report(Guesser(chance=lambda category: 0.0))))

    assert "script" not in page.tags
    assert page.loaded == []
    assert not {"link", "img", "iframe"} & set(page.tags)
    assert "</script><script>alert(1)</script>" in page.words
    assert "backwards <b>&" in page.words


def test_two_versions_stand_side_by_side() -> None:
    old = _report(Guesser(chance=lambda category: 1.0, name="m:1"))
    new = _report(Guesser(chance=lambda category: 0.4, name="m:2"))

    page = Page(report_page(new, old))

    assert page.open == []
    assert "comparison" in page.ids
    assert "Against m:1" in page.words
    assert page.classes.count("row") == 4
    assert page.classes.count("sides") == page.classes.count("failure")


def test_a_page_of_a_perfect_model_says_so() -> None:
    page = Page(report_page(_report(Guesser(chance=lambda category: 1.0))))

    assert "Every item passed in every trial." in page.words
    assert "failure" not in page.classes
