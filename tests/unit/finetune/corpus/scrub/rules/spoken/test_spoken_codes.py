# SPDX-License-Identifier: Apache-2.0
import pytest
from handed_over_lines import SCRUBBER


@pytest.mark.parametrize(
    ("before", "code", "after"),
    [
        ("the verification code is ", "904417", ", be quick"),
        ("your OTP for the harbour: ", "318 227", ""),
        ("door code: ", "7741#", " since May"),
        ("security code is ", "G-417720", ""),
        ("invite code ", "HRB-22K9", " is good for two"),
        ("meine TAN lautet ", "730114", ""),
        ("code d'accès du garage : ", "41A7B", ""),
        ("el código de verificación es ", "227418", ""),
        ("o código de acesso é ", "51820", ""),
        ("il codice di conferma è ", "66142", ""),
        ("de toegangscode is ", "ZX-2201", ""),
        ("kod dostępu: ", "88K41", ""),
        ("Код подтверждения: ", "227051", ""),
        ("мой пин-код ", "5142", ""),
        ("認証コードは", "814402", "です"),
        ("验证码：", "301774", "。"),
        ("CVV: ", "417", ""),
    ],
)
def test_a_code_that_a_sentence_tells_goes(before: str, code: str, after: str) -> None:
    scrubbed, found = SCRUBBER.scrub(f"{before}{code}{after}")

    assert code not in scrubbed
    assert scrubbed.startswith(before)
    assert scrubbed.endswith(after)
    assert found == ["redact: assigned-secret"]


def test_all_codes_of_a_list_go() -> None:
    scrubbed, _ = SCRUBBER.scrub("my backup codes:\n41fa-22bc\n90ce-7d1f\n3b55-e08a\nkeep them")

    assert scrubbed.endswith("\nkeep them")
    assert not any(code in scrubbed for code in ("41fa", "22bc", "90ce", "7d1f", "3b55", "e08a"))


@pytest.mark.parametrize(
    "text",
    [
        "the access code takes 30ms",
        "the security code of v2.1 is gone",
        "invite code tests: 12 passed",
        "the login code is in auth.py",
        "status code is 503",
        "the door code has changed in 2024",
        "backup code: see store2.py",
        "one-time codes are sent by mail",
        "код ошибки 404",
        "验证码输入错误",
    ],
)
def test_what_is_said_about_codes_stays(text: str) -> None:
    assert SCRUBBER.scrub(text) == (text, [])
