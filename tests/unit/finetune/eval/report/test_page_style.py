# SPDX-License-Identifier: Apache-2.0
import re

from node0.finetune.eval.report.page_style import STYLE


def test_the_style_loads_nothing_and_closes_what_it_opens() -> None:
    assert "url(" not in STYLE
    assert "@import" not in STYLE
    assert STYLE.count("{") == STYLE.count("}")


def test_every_colour_that_is_used_is_defined_in_light_and_dark() -> None:
    used = set(re.findall(r"var\((--\w+)\)", STYLE))

    assert used
    assert all(len(re.findall(rf"{name}:", STYLE)) == 2 for name in used)
