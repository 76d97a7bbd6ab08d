# SPDX-License-Identifier: Apache-2.0
import pytest
from jinja2 import UndefinedError

from node0.commands.desk.pages.desk_page import Shown
from node0.commands.desk.web.page_templates import rendered

HOSTILE = "<img src=x onerror=alert(1)> \x1b[2J \u202e {{ 7 * 7 }}"


def test_whatever_a_page_is_told_is_text_in_it() -> None:
    html = rendered(Shown("error.html", {"message": HOSTILE, "status": 404}), here="/", form_token="")

    assert "&lt;img src=x onerror=alert(1)&gt; \\x1b[2J \\u202e {{ 7 * 7 }}" in html
    assert "<img" not in html and "\x1b" not in html


def test_a_template_that_is_not_told_enough_is_an_error() -> None:
    with pytest.raises(UndefinedError, match="message"):
        rendered(Shown("error.html", {"status": 404}), here="/", form_token="")


def test_the_page_that_is_shown_is_marked_in_the_menu() -> None:
    html = rendered(Shown("error.html", {"message": "", "status": 404}), here="/runs/one", form_token="")

    assert '<a href="/runs" aria-current="page">Runs</a>' in html
    assert html.count("aria-current") == 1
