# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest

from node0.finetune.corpus.known.found_secrets import FoundSecrets
from node0.finetune.corpus.known.known_secrets import KnownSecrets, known_secrets
from node0.finetune.corpus.known.machine_secrets import MachineSecrets
from node0.town import Town


def key() -> bytes:
    return b"k" * 32


VALUE = "gull-harbor-17"


def spans(known: KnownSecrets, text: str) -> list[str]:
    return [text[one.start : one.end] for one in known.findings(text)]


def test_what_is_learned_is_found_also_in_words_that_were_seen_before() -> None:
    known = KnownSecrets(MachineSecrets({}), FoundSecrets(key))
    assert spans(known, f"so {VALUE}") == []

    known.learn([("assigned-secret", VALUE)])

    assert spans(known, f"so {VALUE}") == [VALUE]


@pytest.mark.parametrize(
    "pair", [("lookalike", VALUE), ("deny-list", VALUE), ("assigned-secret", "gull-harbor-quay"), ("x", "a1")]
)
def test_what_no_rule_is_sure_of_and_words_are_not_learned(pair: tuple[str, str]) -> None:
    known = KnownSecrets(MachineSecrets({}), FoundSecrets(key))

    known.learn([pair])

    assert known.take_news() is None


def test_a_machine_secret_is_news_until_the_town_was_looked_through_and_known_when_it_is_gone(
    tmp_path: Path,
) -> None:
    file = tmp_path / "found.jsonl"
    machine = MachineSecrets({"TOKEN": VALUE})
    first = KnownSecrets(machine, FoundSecrets(key, file))
    news = first.take_news()
    assert news is not None
    assert spans(news, VALUE) == [VALUE]
    first.keep()

    assert KnownSecrets(machine, FoundSecrets(key, file)).take_news() is None
    assert spans(KnownSecrets(MachineSecrets({}), FoundSecrets(key, file)), f"so {VALUE}") == [VALUE]


def test_a_town_and_the_environment_are_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text("DB_PASSWORD=quay-heron-1818\n")
    monkeypatch.setenv("HARBOR_TOKEN", VALUE)

    known = known_secrets(Town(tmp_path))

    assert set(spans(known, f"{VALUE}, quay-heron-1818")) == {VALUE, "quay-heron-1818"}
    assert set(spans(known_secrets(None), f"{VALUE}, quay-heron-1818")) == {VALUE}
