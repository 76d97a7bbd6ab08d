# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest

from node0.finetune.corpus.known.found_secrets import FoundSecrets


def key() -> bytes:
    return b"k" * 32


VALUE = "gull-harbor-17"


def spans(found: FoundSecrets, text: str) -> list[str]:
    return [text[one.start : one.end] for one in found.findings(text, text.split())]


@pytest.mark.parametrize("value", [VALUE, "pa,ss:w0rd-harbor", "seven otters 17", "x" * 5 + "/quay17?"])
@pytest.mark.parametrize("around", ["so {} it is", "a={};b", '{{"k": "{}"}}', "({}).", "{}"])
def test_what_was_learned_is_found_as_a_whole_word(value: str, around: str) -> None:
    found = FoundSecrets(key)

    assert found.learn([value])

    assert spans(found, around.format(value)) == [value]
    assert spans(found, around.format(value[:-1])) == []


def test_the_file_holds_no_value_and_tells_another_process_the_same(tmp_path: Path) -> None:
    file = tmp_path / "models" / "found.jsonl"
    first = FoundSecrets(key, file)
    first.learn([VALUE, "seven otters 17"])
    first.take_news()
    first.save()
    first.learn([VALUE])
    first.take_news()
    first.save()

    again = FoundSecrets(key, file)

    assert file.stat().st_mode & 0o777 == 0o600
    assert len(file.read_text().splitlines()) == 2
    assert not any(word in file.read_text() for word in (*VALUE.split("-"), "otters", VALUE.encode().hex()))
    assert spans(again, f"{VALUE} seven otters 17") == [VALUE, "seven otters 17"]
    assert again.is_kept(VALUE)
    assert again.take_news() is None
    assert not spans(FoundSecrets(lambda: b"o" * 32, file), VALUE)


def test_news_are_what_was_learned_since(tmp_path: Path) -> None:
    file = tmp_path / "found.jsonl"
    before = FoundSecrets(key, file)
    before.learn([VALUE])
    before.take_news()
    before.save()

    found = FoundSecrets(key, file)
    found.learn(["quay-heron-18"])
    news = found.take_news()

    assert news is not None
    assert spans(news, f"{VALUE} quay-heron-18") == ["quay-heron-18"]
    assert found.take_news() is None


def test_what_nobody_looked_for_yet_is_not_kept(tmp_path: Path) -> None:
    found = FoundSecrets(key, tmp_path / "found.jsonl")
    found.learn([VALUE])

    found.save()

    assert not FoundSecrets(key, tmp_path / "found.jsonl").is_kept(VALUE)


@pytest.mark.parametrize("value", ["Zx9:Qw2/Lm4@Rt", "a,b;c", VALUE])
def test_a_value_is_new_once_whatever_its_signs(value: str, tmp_path: Path) -> None:
    found = FoundSecrets(key, tmp_path / "found.jsonl")
    assert not found.is_kept(value)
    assert found.learn([value])
    found.take_news()
    found.save()

    assert FoundSecrets(key, tmp_path / "found.jsonl").is_kept(value)


def test_a_torn_line_is_passed_over_and_a_place_that_cannot_be_written_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "found.jsonl"
    file.write_text('[14, 0, "ab\n[1]\n{}\nnull\n')
    (tmp_path / "blocked").write_text("")

    assert FoundSecrets(key, file).take_news() is None
    blocked = FoundSecrets(key, tmp_path / "blocked" / "found.jsonl")
    blocked.learn([VALUE])
    blocked.take_news()
    blocked.save()
    assert "cannot be written" in caplog.text


@pytest.mark.parametrize(
    "line",
    ["[Infinity, 0, 'a', 'b']".replace("'", '"'), '[1, 1e999, "a", "b"]', "[" * 100_000, "7", "{}", "\x00"],
)
def test_a_line_that_is_no_record_hides_no_other(tmp_path: Path, line: str) -> None:
    file = tmp_path / "found.jsonl"
    found = FoundSecrets(key, file)
    found.learn([VALUE])
    found.take_news()
    found.save()
    file.write_text(f"{line}\n{file.read_text()}")

    assert spans(FoundSecrets(key, file), f"so {VALUE} it is") == [VALUE]
