# SPDX-License-Identifier: Apache-2.0
import re

import adr_index


def test_the_index_of_decisions_is_the_one_of_today() -> None:
    text = (adr_index.FOLDER / "README.md").read_text(encoding="utf-8")

    assert text == adr_index.with_index(text), "run: make docs"


def test_a_page_has_the_number_of_its_file_and_no_other_page_has_it() -> None:
    numbers = [decision.number for decision in adr_index.decisions()]

    assert numbers == [int(decision.path.name[:4]) for decision in adr_index.decisions()]
    assert len(numbers) == len(set(numbers))


def test_a_status_is_accepted_or_names_later_pages_that_exist() -> None:
    pages = {decision.number for decision in adr_index.decisions()}

    for number, status in [(decision.number, decision.status) for decision in adr_index.decisions()]:
        later = {int(found) for found in re.findall(r"\d+", status)}
        assert re.fullmatch(r"accepted|(in part )?superseded by \d{4}(, \d{4})*", status), number
        assert later <= {page for page in pages if page > number}, number


def test_every_page_has_its_three_parts() -> None:
    for decision in adr_index.decisions():
        text = decision.path.read_text(encoding="utf-8")
        parts = re.findall(r"^(?:## |\*\*)(Context|Decision|Consequences)", text, re.MULTILINE)

        assert parts == ["Context", "Decision", "Consequences"], decision.path.name
