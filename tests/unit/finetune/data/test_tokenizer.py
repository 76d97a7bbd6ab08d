# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest
from huggingface_hub.errors import LocalEntryNotFoundError
from tiny_chat import tiny_tokenizer

from node0.errors import HubUnavailable, NotFound, VocabMismatch
from node0.finetune.chat.render import shipped_template
from node0.finetune.data.tokenizer import load_tokenizer


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    tiny_tokenizer(None).save_pretrained(tmp_path)
    return tmp_path


def test_padding_and_template_are_supplied(saved: Path) -> None:
    tokenizer = load_tokenizer(str(saved), 128)

    assert tokenizer.pad_token_id == tokenizer.eos_token_id
    assert tokenizer.chat_template == shipped_template()
    assert tokenizer.model_max_length == 128


def test_a_tokenizers_own_template_and_padding_stay(tmp_path: Path) -> None:
    own = tiny_tokenizer("chatml")
    own.pad_token = "<s>"
    own.save_pretrained(tmp_path)

    tokenizer = load_tokenizer(tmp_path)

    assert tokenizer.chat_template == own.chat_template
    assert tokenizer.pad_token == "<s>"


def test_a_model_may_have_more_rows_than_the_tokenizer_has_tokens(saved: Path) -> None:
    size = len(load_tokenizer(saved))

    assert len(load_tokenizer(saved, model_vocab_size=size + 64)) == size


def test_a_tokenizer_larger_than_the_model_is_refused(saved: Path) -> None:
    size = len(load_tokenizer(saved))

    with pytest.raises(VocabMismatch, match=f"{size} tokens .* the model {size - 1} rows"):
        load_tokenizer(saved, model_vocab_size=size - 1)


def test_a_directory_without_a_tokenizer_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="holds no tokenizer") as caught:
        load_tokenizer(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_missing_directory_is_not_asked_of_the_hub(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="is no directory"):
        load_tokenizer(tmp_path / "none")


def test_an_unreachable_hub_is_told_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(*_: object, **__: object) -> str:
        raise LocalEntryNotFoundError("no network")

    monkeypatch.setattr("node0.finetune.data.tokenizer.snapshot_download", offline)

    with pytest.raises(HubUnavailable, match="owner/name cannot be fetched") as caught:
        load_tokenizer("owner/name")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("file", ["tokenizer.json", "tokenizer_config.json"])
@pytest.mark.parametrize(
    "text", ["null", "[]", "7", '"a"', '{"added_tokens": 7, "tokenizer_class": []}', '{"model": null}']
)
def test_a_tokenizers_file_of_another_kind_is_one_line_or_a_tokenizer(
    saved: Path, file: str, text: str
) -> None:
    (saved / file).write_text(text)

    try:
        tokenizer = load_tokenizer(saved)
    except NotFound as error:
        assert "no tokenizer that can be read" in str(error) and "\n" not in str(error)
    else:
        assert tokenizer.encode("a")
