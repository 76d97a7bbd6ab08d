# SPDX-License-Identifier: Apache-2.0
"""`node0 desk` as a process, looked at by a browser at two widths."""

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any, NamedTuple

import httpx
import pytest
from desk_town import HOSTILE, WAITING, desk_town
from integration.browser import BROWSER, WHY_NOT, Tab, browsing
from tiny_chat import tiny_tokenizer

from node0.town import Town
from node0.visible import visible

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(BROWSER is None, reason=WHY_NOT),
]

NODE0 = [sys.executable, "-c", "import sys; from node0.cli import main; sys.exit(main())"]
WIDTHS = (1400, 400)
PAGES = (
    *("/corpus", "/corpus/hostile", "/corpus/hostile?view=tokens", "/corpus/waits-1", "/review", "/runs"),
    *("/runs/gt-abc12", "/versions", "/versions/mayor:1", "/live", "/savings"),
)
LOOK = """JSON.stringify({
  wide: document.documentElement.scrollWidth - innerWidth,
  title: document.title,
  scripts: document.querySelectorAll("script").length,
  images: document.querySelectorAll("main img").length,
  styled: getComputedStyle(document.querySelector("header")).position,
  heading: document.querySelector("h1").getBoundingClientRect().width > 0,
})"""


class Opened(NamedTuple):
    """A desk at work, and a browser that has its token."""

    town: Town
    url: str
    tab: Tab


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Opened]:
    place = tmp_path_factory.mktemp("desk")
    town = desk_town(place / "gt")
    tiny_tokenizer().save_pretrained(place / "tokenizer")
    command = [*NODE0, "desk", "--port", "0", "--town", town.root, "--tokenizer", place / "tokenizer"]
    with subprocess.Popen(list(map(str, command)), stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            found = next((url for line in process.stderr if (url := re.search(r"http\S+", line))), None)
            assert found is not None
            with browsing(place / "browser") as tab:
                tab.open(found[0])
                yield Opened(town, found[0].partition("/?")[0], tab)
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0
        finally:
            if process.poll() is None:
                process.kill()


def test_each_page_fits_its_window_at_two_widths_without_a_script_error(opened: Opened) -> None:
    for path in PAGES:
        for width in WIDTHS:
            opened.tab.open(opened.url + path, width=width, dark=width < 1000)
            seen = json.loads(opened.tab.value(LOOK))

            assert opened.tab.problems == [], path
            assert seen["wide"] <= 0, (path, width)
            assert seen["title"].endswith("· desk")
            assert (seen["scripts"], seen["images"]) == (2, 0), path
            assert (seen["styled"], seen["heading"]) == ("sticky", True)


def test_a_transcript_with_markup_and_escapes_is_text(opened: Opened) -> None:
    for view in ("turns", "tokens"):
        opened.tab.open(f"{opened.url}/corpus/hostile?view={view}")
        shown = opened.tab.value("document.querySelector('.transcript').innerText")

        assert visible(HOSTILE) in shown
        assert opened.tab.value("document.title") == "hostile · desk"
    marked = opened.tab.value(
        "[...document.querySelectorAll('.segment.trained')].map(e => e.innerText).join('')"
    )
    assert "Done." in marked and "<script>" not in marked


def test_a_loss_curve_is_drawn(opened: Opened) -> None:
    opened.tab.open(f"{opened.url}/runs/gt-abc12")

    box = opened.tab.value(
        "JSON.stringify(document.querySelector('polyline.training').getBoundingClientRect())"
    )
    assert json.loads(box)["width"] > 300 and json.loads(box)["height"] > 100
    assert "validation loss 0.2500" in opened.tab.value("document.querySelector('#curve').innerText")


def test_what_is_decided_by_keys_is_what_the_command_shows(opened: Opened) -> None:
    tab = opened.tab
    assert {row["entry_id"]: row["value"] for row in _waiting(opened.town)} == WAITING
    tab.open(f"{opened.url}/review")
    tab.value("document.querySelector('[data-entry=waits-3] button').focus()")
    assert tab.value("document.querySelector('.chosen').dataset.entry") == "waits-3"
    tab.press("k")
    assert tab.value("document.querySelector('.chosen').dataset.entry") == "waits-2"

    tab.press("d")
    assert tab.value("document.querySelector('#said').innerText").startswith("Press d again: waits-2")
    assert {row["entry_id"] for row in _waiting(opened.town)} == WAITING.keys()
    tab.press("d")
    tab.until("document.querySelector('#said').innerText.includes('waits-2: dropped')")
    assert {row["entry_id"] for row in _waiting(opened.town)} == {"waits-1", "waits-3"}
    tab.press("k")
    tab.press("r")
    tab.until("document.querySelector('#said').innerText.includes('waits-1: redacted')")

    assert "waits-3: settled too" in tab.value("document.querySelector('#said').innerText")
    assert _waiting(opened.town) == []
    assert tab.value("document.querySelectorAll('.card').length") == 0
    assert tab.problems == []


def test_without_the_token_the_desk_tells_nothing(opened: Opened) -> None:
    for path in ("/", *PAGES, "/static/desk.css"):
        assert httpx.get(opened.url + path, trust_env=False).status_code == 401
    form = {"entry": "waits-1", "decision": "drop"}
    assert httpx.post(f"{opened.url}/review", data=form, trust_env=False).status_code == 401


def _waiting(town: Town) -> list[dict[str, Any]]:
    """What `node0 corpus review list --reveal` shows."""
    command = [*NODE0, "corpus", "review", "list", "--reveal", "--json", "--town", str(town.root)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    return list(json.loads(done.stdout))
