# SPDX-License-Identifier: Apache-2.0
import pytest
from handed_over_lines import SCRUBBER

WORDS = "gravel otter pencil raft sunset velvet cabin anchor timber walnut fabric zebra"


@pytest.mark.parametrize(
    "before",
    ["my seed phrase is ", "recovery words: ", "Mnemonic: ", 'mnemonic = "', "Frase de recuperación: "],
)
@pytest.mark.parametrize("apart", [" ", "\n", ", "])
def test_words_that_restore_a_wallet_go(before: str, apart: str) -> None:
    written = WORDS.replace(" ", apart)

    scrubbed, _ = SCRUBBER.scrub(f"{before}{written}")

    assert scrubbed.startswith(before)
    assert not any(word in scrubbed for word in WORDS.split())


def test_numbered_words_go() -> None:
    written = " ".join(f"{number}. {word}" for number, word in enumerate(WORDS.split(), 1))

    scrubbed, _ = SCRUBBER.scrub(f"recovery phrase:\n{written}\n")

    assert not any(word in scrubbed for word in WORDS.split())


@pytest.mark.parametrize(
    "text",
    [
        "seed: 42",
        "recovery: the daemon starts again when its lock was left behind and takes what was last written",
        "the seed data is loaded from fixtures for all tests which need rows and then dropped with the table",
        f"these words: {WORDS}",
        "mnemonic: add sub mul div",
    ],
)
def test_sentences_and_other_lists_stay(text: str) -> None:
    assert SCRUBBER.scrub(text) == (text, [])
