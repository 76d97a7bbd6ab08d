# SPDX-License-Identifier: Apache-2.0
from node0.finetune.corpus.scoreboard.draws import ALNUM, DOMAINS, NOUNS, Draw


def test_a_seed_gives_the_same_values_and_another_others() -> None:
    def values(seed: str) -> list[str]:
        draw = Draw(seed)
        return [draw.signs(ALNUM, 12), draw.password(), draw.noun(), draw.host(), draw.user(), *draw.person()]

    assert values("1") == values("1")
    assert values("1") != values("2")


def test_passwords_are_words_and_random_signs_without_blanks() -> None:
    passwords = [Draw(str(number)).password() for number in range(300)]

    assert all(len(password) >= 8 and not set(password) & set(" \"'\\") for password in passwords)
    assert 60 < sum(password[-4:].rstrip("!#*").isdigit() for password in passwords) < 240
    assert len(set(passwords)) > 290


def test_no_word_of_a_password_stands_in_a_host() -> None:
    assert [(noun, domain) for noun in NOUNS for domain in DOMAINS if noun in domain] == []
