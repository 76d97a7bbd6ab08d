# SPDX-License-Identifier: Apache-2.0
import re

import pytest

from node0.finetune.corpus.scrub.rules.label_texts import (
    is_field_name,
    is_label,
    is_placeholder_login,
    is_under_a_texts_name,
)


@pytest.mark.parametrize(
    "text", ["Passord", "Passwörter", "Wachtwoord:", "neues Kennwort", "Mot de passe ?", "Пароль", "密码"]
)
def test_a_title_or_words_about_a_password_are_a_label(text: str) -> None:
    assert is_label(text)


@pytest.mark.parametrize(
    "text", ["Kennwort7", "heslo!heslo#", "kennwort", "Sommerabend", "parola_mia", "senha=x"]
)
def test_what_people_choose_is_no_label(text: str) -> None:
    assert not is_label(text)


@pytest.mark.parametrize(
    "text", ["user_password", "token.field", "new-secret", "sha-512", "argon2id", "scrypt"]
)
def test_names_of_fields_and_of_algorithms_are_known(text: str) -> None:
    assert is_field_name(text)


@pytest.mark.parametrize("text", ["password", "shanghai1", "harbor_walnut", "mdk2019", "user_password7"])
def test_other_words_are_no_names_of_fields(text: str) -> None:
    assert not is_field_name(text)


def test_only_a_manuals_login_is_a_placeholder() -> None:
    assert is_placeholder_login("your_name", "passwd")
    assert not is_placeholder_login("bob", "password")
    assert not is_placeholder_login("user", "hunter2")


@pytest.mark.parametrize(
    ("line", "about"),
    [
        ("forgot_password: x", True),
        ("password_hint = x", True),
        ("password.too-short: x", True),
        ("plaintext_password: x", False),
        ("master_password: x", False),
    ],
)
def test_the_name_of_a_text_is_told_from_that_of_a_password(line: str, about: bool) -> None:
    match = re.compile(r"password[\w.-]*\s?[:=] (?P<secret>x)").search(line)

    assert match
    assert is_under_a_texts_name(match) is about
