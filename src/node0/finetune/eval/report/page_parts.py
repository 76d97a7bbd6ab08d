# SPDX-License-Identifier: Apache-2.0
"""HTML of a report's pieces: words that are escaped, bars with bounds, tables, answers."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any


def tag(name: str, *inside: str, **attributes: str) -> str:
    """An element around HTML that is safe already; a trailing _ of an attribute's name is left out."""
    given = "".join(f' {key.rstrip("_")}="{escape(value)}"' for key, value in attributes.items())
    return f"<{name}{given}>{''.join(inside)}</{name}>"


def words(text: object) -> str:
    """Text as HTML."""
    return escape(str(text))


def percent(share: float) -> str:
    """A share as a person reads it."""
    return f"{share:.1%}"


def bar(name: str, score: Mapping[str, Any], *, mark: float, is_other: bool = False) -> str:
    """A score as a bar with its bounds and the bar that it must reach, and the same in figures."""
    left, right = 100 * score["low"], 100 * score["high"]
    track = tag(
        "div",
        tag("span", class_="fill other" if is_other else "fill", style=f"width:{100 * score['score']:.1f}%"),
        tag("span", class_="range", style=f"left:{left:.1f}%;width:{right - left:.1f}%"),
        tag("span", class_="mark", style=f"left:{100 * mark:.1f}%"),
        class_="track",
        role="img",
        aria_label=f"{name}: {percent(score['score'])}",
    )
    bounds = f"{percent(score['score'])} [{percent(score['low'])} to {percent(score['high'])}]"
    told = f"{words(bounds)} {verdict(score['verdict'])}"
    return tag("div", tag("div", words(name)), track, tag("div", told), class_="row")


def verdict(text: str) -> str:
    """A verdict in its colour."""
    return tag("strong", words(text), class_=text)


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Records as a table that scrolls by itself where it is too wide."""
    if not rows:
        return ""
    head = "".join(tag("th", words(name), class_=_kind(rows[0][name])) for name in rows[0])
    body = "".join(
        tag("tr", *(tag("td", _cell(name, value), class_=_kind(value)) for name, value in row.items()))
        for row in rows
    )
    return tag("div", tag("table", tag("thead", tag("tr", head)), tag("tbody", body)), class_="scroll")


def trials(tried: Iterable[Mapping[str, Any]]) -> str:
    """What was answered in each trial, and what the checks said of it."""
    return "".join(_trial(one) for one in tried)


def _trial(one: Mapping[str, Any]) -> str:
    reasons = [
        tag(
            "li",
            verdict("pass" if check["passed"] else "fail"),
            words(f" {check['check']}: {check['reason']}"),
        )
        for check in one["checks"]
    ]
    said = [tag("pre", words(answer or "(nothing)")) for answer in one["answers"]]
    title = tag("p", words(f"trial {one['epoch'] + 1}: "), verdict("pass" if one["passed"] else "fail"))
    return tag("div", title, tag("ul", *reasons), *said)


def _kind(value: object) -> str:
    return "number" if isinstance(value, int | float) else "text"


def _cell(name: str, value: object) -> str:
    if name == "verdict":
        return verdict(str(value))
    return words(f"{value:.3f}" if isinstance(value, float) else value)
