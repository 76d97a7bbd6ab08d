# SPDX-License-Identifier: Apache-2.0
"""Fill the desk's templates: everything is text there, and no character steers a terminal or a reader."""

from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from node0.commands.desk.pages.desk_page import Shown
from node0.visible import visible

PACKAGE = "node0.commands.desk"
MENU = (
    ("/corpus", "Corpus"),
    ("/review", "Review"),
    ("/runs", "Runs"),
    ("/versions", "Versions"),
    ("/live", "Live"),
    ("/savings", "Savings"),
)


def rendered(shown: Shown, **more: Any) -> str:
    """A page as HTML.

    Args:
        shown: which, and with what.
        more: what every page is told.
    """
    return _environment().get_template(shown.template).render(**shown.content, **more, menu=MENU)


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader(PACKAGE),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _shown(value: object) -> object:
    """A value as it is put into a page: control characters are spelled out, None is a dash."""
    if value is None:
        return "–"
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value
