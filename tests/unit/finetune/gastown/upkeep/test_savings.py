# SPDX-License-Identifier: Apache-2.0
import pytest
from pydantic import ValidationError

from node0.finetune.corpus.schema import CorpusEntry, RecordedCall
from node0.finetune.corpus.store import EntryHeader
from node0.finetune.gastown.upkeep.savings import (
    Attributed,
    BilledTokens,
    Rates,
    SavingsSettings,
    billed_tokens,
    savings,
)
from node0.finetune.statistics.wilson import wilson

RATES = Rates(input=3.0, cached_input=0.3, output=15.0)


def _words(tokens: int) -> str:
    return "four" * tokens


def _turn(role: str, tokens: int) -> dict[str, str]:
    return {"role": role, "content": _words(tokens)}


def _entry(
    *calls: int, system: int = 0, tools: int = 0, turns: tuple[int, ...] = (10, 2, 5, 3)
) -> CorpusEntry:
    roles = ("user", "assistant")
    return CorpusEntry(
        id="one", role="deacon", rig="hq", task_type="patrol", outcome="success", created_at="2026-01-01",
        messages=[_turn(roles[number % 2], tokens) for number, tokens in enumerate(turns)],
        systems={"s": _words(system)}, toolsets={"t": [{"name": _words(tools)}]},
        requests=[RecordedCall(n_messages=number, system="s", tools="t") for number in calls],
    )  # fmt: skip


def _header(name: str, outcome: str = "success", *, role: str = "deacon", tokens: int = 10) -> EntryHeader:
    return EntryHeader(
        id=name, role=role, rig="hq", task_type="patrol", outcome=outcome, created_at="2026-01-01",
        bead_id=None, source="claude-code", session_id=name.partition(".")[0], quality=None,
        quarantined=False, scrub_version="", content_digest="", tokens=tokens,
    )  # fmt: skip


def test_a_first_call_is_billed_for_everything_before_it() -> None:
    assert billed_tokens(_entry(1, system=100, tools=50)) == BilledTokens(input=160, cached_input=0, output=2)


def test_what_the_request_before_held_is_cached_and_an_answer_is_read_once_anew() -> None:
    assert billed_tokens(_entry(1, 3, system=100, tools=50)) == BilledTokens(
        input=160 + (2 + 5), cached_input=150 + 10, output=2 + 3
    )


def test_the_windows_of_a_conversation_are_billed_as_the_whole_of_it() -> None:
    turns = (10, 2, 5, 3, 7, 4)
    parts = [billed_tokens(_entry(number, system=9, turns=turns)) for number in (1, 3, 5)]
    whole = billed_tokens(_entry(1, 3, 5, system=9, turns=turns))

    for name in BilledTokens.model_fields:
        assert sum(getattr(part, name) for part in parts) == getattr(whole, name)


def test_without_recorded_calls_every_answer_is_one_and_a_call_without_an_answer_none() -> None:
    assert billed_tokens(_entry()) == billed_tokens(_entry(1, 3))
    assert billed_tokens(_entry(4)) == BilledTokens()


def test_a_price_is_the_sum_of_tokens_at_their_rates() -> None:
    billed = BilledTokens(input=1_000_000, cached_input=2_000_000, output=500_000)

    assert billed.price(RATES) == pytest.approx(3.0 + 0.6 + 7.5)


def test_ours_stand_beside_the_others_of_their_role() -> None:
    ours = [_header("a.1"), _header("a.2", "failure"), _header("b", "abandoned", tokens=5)]
    others = [_header("c"), _header("d", role="witness")]
    entries = [Attributed(one, "deacon:2") for one in ours] + [Attributed(one, "") for one in others]

    (found,) = savings(entries, SavingsSettings(), {})

    assert (found.role, found.versions) == ("deacon", ["deacon:2"])
    assert (found.ours.sessions, found.ours.tokens) == (2, 25)
    assert (found.ours.succeeded, found.ours.known, found.ours.share) == (1, 2, 0.5)
    assert (found.ours.low, found.ours.high) == wilson(1, 2)
    assert (found.others.sessions, found.others.share) == (1, 1.0)


def test_a_price_is_told_for_roles_with_rates_alone() -> None:
    entries = [Attributed(_header("a"), "deacon:1"), Attributed(_header("b", role="witness"), "witness:1")]
    billed = {name: BilledTokens(input=1_000_000) for name in ("a", "b")}
    deacon, witness = savings(entries, SavingsSettings(currency="EUR", rates={"witness": RATES}), billed)

    assert (deacon.price, deacon.billed) == (None, None)
    assert (witness.price, witness.billed) == (3.0, BilledTokens(input=1_000_000))
    assert "no rates are set" in str(deacon)
    assert "at your rates 3.00 EUR" in str(witness)


def test_rates_of_all_are_for_the_roles_without_their_own() -> None:
    own = Rates(input=1, cached_input=1, output=1)
    settings = SavingsSettings(rates={"all": RATES, "deacon": own})

    assert (settings.of("deacon"), settings.of("witness")) == (own, RATES)
    assert SavingsSettings().of("deacon") is None


def test_outcomes_that_are_not_known_have_no_share() -> None:
    (found,) = savings([Attributed(_header("a", "unknown"), "deacon:1")], SavingsSettings(), {})

    assert found.ours.share is None
    assert "1 sessions, no outcome known" in str(found)
    assert found.others.sessions == 0


@pytest.mark.parametrize(
    ("tokens", "said"),
    [(0, "0 EUR"), (123, "0.00037 EUR"), (1_000_000, "3.00 EUR"), (5_000_000_000, "15,000.00 EUR")],
)
def test_a_small_price_keeps_its_digits(tokens: int, said: str) -> None:
    settings = SavingsSettings(currency="EUR", rates={"all": RATES})

    (found,) = savings([Attributed(_header("a"), "deacon:1")], settings, {"a": BilledTokens(input=tokens)})

    assert found.priced == said


@pytest.mark.parametrize(
    "rates", [{"input": 3, "output": 15}, {"input": -1, "cached_input": 0, "output": 0}, {"input": "nan"}]
)
def test_rates_that_are_not_whole_are_refused_and_none_is_filled_in(rates: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Rates.model_validate(rates)
