# SPDX-License-Identifier: Apache-2.0
import pytest

from node0.finetune.corpus.scrub.finding import Finding, Tier
from node0.finetune.corpus.scrub.placeholders import Placeholders, replaced, without_placeholders
from node0.finetune.corpus.scrub.text_scrubber import TextScrubber


def mail(name: str, start: int = 0, end: int = 1) -> Finding:
    return Finding("email", Tier.REDACT, start, end, name)


def test_the_same_name_keeps_its_number_and_another_gets_the_next() -> None:
    placeholders = Placeholders()

    given = [placeholders.text(mail(name)) for name in ("jane@a.io", "bob@a.io", "jane@a.io")]

    assert given == ["[EMAIL_1]", "[EMAIL_2]", "[EMAIL_1]"]


def test_each_kind_is_numbered_by_itself_and_users_stand_without_brackets() -> None:
    placeholders = Placeholders()
    placeholders.text(mail("jane@a.io"))

    assert placeholders.text(Finding("private-ip", Tier.REDACT, 0, 1, "10.0.0.1")) == "[PRIVATE_IP_1]"
    assert placeholders.text(Finding("user", Tier.REDACT, 0, 1, "jane")) == "USER_1"


def test_a_secret_is_named_by_its_kind_only() -> None:
    assert Placeholders().text(Finding("github-token", Tier.REDACT, 0, 1)) == "[REDACTED:github-token]"


def test_numbers_that_a_text_uses_are_reserved() -> None:
    placeholders = Placeholders()
    placeholders.reserve("[EMAIL_7] and USER_3, no number: EMAIL_x")

    assert placeholders.text(mail("jane@a.io")) == "[EMAIL_8]"
    assert placeholders.text(Finding("user", Tier.REDACT, 0, 1, "jane")) == "USER_4"


def test_findings_are_replaced_and_the_places_of_their_placeholders_told() -> None:
    text = "to a@b.io, c@d.io."

    scrubbed, places = replaced(text, [mail("a@b.io", 3, 9), mail("c@d.io", 11, 17)], Placeholders())

    assert scrubbed == "to [EMAIL_1], [EMAIL_2]."
    assert [scrubbed[at : at + 9] for at in places] == ["[EMAIL_1]", "[EMAIL_2]"]


def test_without_findings_a_text_stays() -> None:
    assert replaced("as it is", [], Placeholders()) == ("as it is", [])


@pytest.mark.parametrize(
    "ours", ["[NAME_1]", "[EMAIL_2]", "[PHONE_3]", "USER_4", "[REDACTED:deny-list]", "[IP_5]"]
)
@pytest.mark.parametrize(
    "around",
    [
        "Author: {} <[EMAIL_1]>",
        "author: {} <{}>",
        "Co-authored-by: {} <noreply@harbor-yard.net>",
        "projects/{}/x and ~{}/x",
        "password={}",
        'secret: "{}"',
        "the token is {}",
        "Authorization: Bearer {}",
        "https://{}:{}@git.harbor-yard.net/x",
        "mysql -u root -p{}",
        "Cookie: session={}; theme=dark",
        "{}@harbor-yard.net",
        "export API_KEY={}",
        "call {} or {}",
    ],
)
def test_what_is_ours_is_never_read_as_a_value(ours: str, around: str) -> None:
    text = around.replace("{}", ours)
    found = TextScrubber(voters=()).findings(text)

    hidden = [text[one.start : one.end] for one in found if one.tier is not Tier.KEEP]
    assert not [value for value in hidden if ours in value]


def test_what_is_left_without_placeholders() -> None:
    assert without_placeholders("a [NAME_1] b USER_2 c [REDACTED:ip-v4] [x]") == "a  b  c  [x]"
