# SPDX-License-Identifier: Apache-2.0
"""A report as one HTML page: no script, nothing loaded, so that it can be mailed, kept and read anywhere."""

from collections.abc import Mapping, Sequence
from typing import Any

from node0.finetune.deploy.gate import GateSettings
from node0.finetune.eval.replay_figures import NOTE
from node0.finetune.eval.report.eval_report import Report, compared_rows, outcomes_of_report
from node0.finetune.eval.report.page_parts import bar, percent, table, tag, trials, verdict, words
from node0.finetune.eval.report.page_style import STYLE

POLICY = "default-src 'none'; style-src 'unsafe-inline'"
"What a model wrote is text here, whatever it wrote."


def report_page(report: Report, other: Report | None = None, *, gate: GateSettings | None = None) -> str:
    """The page of a report, side by side with an earlier one of the same suite where that is given.

    gate: how the two are compared.
    """
    title = f"{report['plan']['model']} on {report['plan']['suite']}"
    sections = [
        _summary(report, title),
        _categories(report, other),
        _comparison(report, other, gate or GateSettings()),
        _nulls(report),
        _replay(report),
        _groups(report),
        _failures(report, other),
        _passed(report),
    ]
    head = (
        '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
    )
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head>{head}{tag("title", words(title))}'
        f"<style>{STYLE}</style></head>\n<body>{''.join(filter(None, sections))}</body></html>\n"
    )


def _summary(report: Report, title: str) -> str:
    plan, whole = report["plan"], report["composite"]
    said = (
        f"{percent(whole['score'])}, between {percent(whole['low'])} and {percent(whole['high'])} with 95 % "
        f"confidence; the gate asks for {percent(report['bars']['composite'])}: "
    )
    how = (
        f"{len(report['items'])} items, {sum(item['trials'] for item in report['items'])} trials at "
        f"temperature {plan['temperature']}, seed {plan['seed']}; suite {plan['suite_digest'][:12]}"
    )
    failed = sum(item["passes"] < item["trials"] for item in report["items"])
    links = [("categories", "Categories"), ("nulls", "Null models"), ("failures", f"Failures ({failed})")]
    nav = tag("nav", *(tag("a", words(text), href=f"#{place}") for place, text in links))
    score = tag("p", words(said), verdict(whole["verdict"]))
    return tag("h1", words(title)) + score + tag("p", words(how), class_="soft") + nav


def _categories(report: Report, other: Report | None) -> str:
    rows = []
    for name, score in report["categories"].items():
        rows.append(bar(name, score, mark=report["bars"]["category"]))
        if other and name in other["categories"]:
            label = other["plan"]["model"]
            rows.append(bar(label, other["categories"][name], mark=report["bars"]["category"], is_other=True))
    note = (
        "Bars are mean shares of passed trials, lines their bounds, marks what the gate asks of a category."
    )
    figures = table([{"category": name} | score for name, score in report["categories"].items()])
    heading = tag("h2", "Categories", id="categories")
    return heading + "".join(rows) + tag("p", words(note), class_="soft") + figures


def _comparison(report: Report, other: Report | None, gate: GateSettings) -> str:
    if other is None:
        return ""
    rows = compared_rows(gate.compare_outcomes(outcomes_of_report(other), outcomes_of_report(report)))
    note = (
        f"New less old on the items that both did; old is {other['plan']['model']}. p_holm is the chance of "
        "so large a fall where nothing changed, corrected over the categories; detectable is the smallest "
        "fall that so many items would show nine times of ten."
    )
    heading = tag("h2", words(f"Against {other['plan']['model']}"), id="comparison")
    return heading + table(rows) + tag("p", words(note), class_="soft")


def _nulls(report: Report) -> str:
    rows = [
        {"model": name, "category": category, "score": score["score"], "high": score["high"]}
        | {"verdict": score["verdict"]}
        for name, scores in report["null_models"].items()
        for category, score in scores.items()
    ]
    note = "Answers that need no understanding. The gate takes no suite in which one of them does not fail."
    return tag("h2", "Null models", id="nulls") + table(rows) + tag("p", words(note), class_="soft")


def _replay(report: Report) -> str:
    if not report["replay"]:
        return ""
    heading = tag("h2", "The town's own sessions", id="replay")
    return heading + table(report["replay"]) + tag("p", words(NOTE), class_="soft")


def _groups(report: Report) -> str:
    parts = []
    for key, title in (("by_role", "Roles"), ("by_difficulty", "Difficulty")):
        rows = [{title.lower(): name} | score for name, score in report[key].items()]
        parts.append(tag("h2", title) + table(rows) if rows else "")
    return "".join(parts)


def _failures(report: Report, other: Report | None) -> str:
    before = {(one["category"], one["id"]): one for one in other["items"]} if other else {}
    failed = [item for item in report["items"] if item["passes"] < item["trials"]]
    shown = [_failure(item, before.get((item["category"], item["id"])), other) for item in failed]
    text = "Every item passed in every trial." if not failed else ""
    return tag("h2", words(f"Failures ({len(failed)})"), id="failures") + words(text) + "".join(shown)


def _failure(item: Mapping[str, Any], before: Mapping[str, Any] | None, other: Report | None) -> str:
    summary = tag(
        "summary", words(f"{item['category']} / {item['id']}: {item['passes']} of {item['trials']}")
    )
    about = ", ".join(filter(None, [item["role"], item["difficulty"], *item["tags"]]))
    wrong = [one for one in item["tried"] if not one["passed"]]
    sides = trials(wrong)
    if before is not None and other is not None:
        name = other["plan"]["model"]
        old = tag("p", words(f"{name}: {before['passes']} of {before['trials']}")) + trials(before["tried"])
        sides = tag("div", tag("div", sides), tag("div", old), class_="sides")
    prompt = tag("details", tag("summary", "Prompt"), tag("pre", words(item["prompt"])))
    inside = (summary, tag("p", words(about), class_="soft"), prompt, sides)
    return tag("details", *inside, id=f"{item['category']}.{item['id']}", class_="failure")


def _passed(report: Report) -> str:
    names: Sequence[str] = [
        f"{item['category']} / {item['id']}" for item in report["items"] if item["passes"] == item["trials"]
    ]
    inside = tag("ul", *(tag("li", words(name)) for name in names))
    title = tag("summary", words(f"{len(names)} items passed in every trial"))
    return tag("h2", "Passed", id="passed") + tag("details", title, inside)
