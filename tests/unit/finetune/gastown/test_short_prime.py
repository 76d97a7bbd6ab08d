# SPDX-License-Identifier: Apache-2.0
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node0.finetune.chat.harness import reduce_prime
from node0.finetune.chat.profile import load_profile
from node0.finetune.gastown.short_prime import MAX_TOKENS, cut, short_prime

DEACON = load_profile("deacon")
MARKER = "# Reduced prime: fine-tuned model active for role deacon"
FULL = (
    "[GAS TOWN] role:deacon\n# Manual\n" + "long\n" * 1000 + "## Hooked Work\nhq-a1 mend the lamp\n## More\nx"
)


def quarter(text: str) -> int:
    return len(text) // 4


def nothing(question: str) -> str:
    return ""


def test_a_prime_holds_the_header_the_own_work_and_records_on_that() -> None:
    asked = []

    def retrieve(question: str) -> str:
        asked.append(question)
        return "<retrieved>\nthe lamp is broken\n</retrieved>"

    found = short_prime(FULL, DEACON, count=quarter, retrieve=retrieve)

    assert found.startswith(f"{MARKER}\n## Hooked Work\nhq-a1 mend the lamp\n")
    assert found.endswith("\n<retrieved>\nthe lamp is broken\n</retrieved>\n") and "long" not in found
    assert "mend the lamp" in asked[0]


def test_a_dataset_and_a_server_make_the_same_of_it_as_it_is() -> None:
    found = short_prime(FULL, DEACON, count=quarter, retrieve=lambda _: "<retrieved>\nx\n</retrieved>")

    assert reduce_prime(found, DEACON.rules) == found.strip()
    assert (
        short_prime(FULL, DEACON, count=quarter, retrieve=nothing) == reduce_prime(FULL, DEACON.rules) + "\n"
    )


def test_what_is_short_already_stays_to_the_letter() -> None:
    text = "[GAS TOWN] role:deacon\n\n> **Recovery**: compacted\n\n"

    assert short_prime(text, DEACON, count=quarter, retrieve=nothing) == text


def test_records_that_are_too_long_are_left_out() -> None:
    found = short_prime(FULL, DEACON, count=quarter, retrieve=lambda _: "x" * 5000)

    assert "xxx" not in found


@given(
    st.text(st.sampled_from("# \nab`🔄é"), max_size=4000),
    st.text(max_size=1500),
    st.sampled_from(
        [quarter, len, lambda text: len(text.encode()), lambda text: 2 * len(text), lambda text: 0]
    ),
)
def test_a_prime_is_never_longer_than_a_model_and_a_harness_take(
    work: str, context: str, count: Callable[[str], int]
) -> None:
    full = f"{FULL}\n## Hooked Work\n{work}"

    found = short_prime(full, DEACON, count=count, retrieve=lambda _: context)

    assert count(found) <= MAX_TOKENS and len(found) <= 10_000
    assert found.startswith(MARKER)


@pytest.mark.parametrize(
    ("size", "left"),
    [(0, ""), (3, "abc"), (5, "abcd"), (6, "abcd"), (10, "abcd\nefgh"), (99, "abcd\nefgh\nij")],
)
def test_a_text_is_cut_at_the_end_of_a_line(size: int, left: str) -> None:
    assert cut("abcd\nefgh\nij", lambda text: len(text) <= size) == left
