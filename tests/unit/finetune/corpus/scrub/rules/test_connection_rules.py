# SPDX-License-Identifier: Apache-2.0
import pytest
from handed_over_lines import CONNECTIONS, SCRUBBER, VALUES


@pytest.mark.parametrize("line", CONNECTIONS)
@pytest.mark.parametrize("value", [*VALUES, "p@ss9Xk2", ".q7Zk9Lm2x", "~t4Rw8Nb1c"])
def test_the_password_of_a_connection_goes_and_the_lines_around_it_stay(line: str, value: str) -> None:
    scrubbed, _ = SCRUBBER.scrub(f"first look\n{line.replace('{}', value)}\nand go on with it")

    assert value[-6:] not in scrubbed
    assert scrubbed.startswith("first look\n")
    assert scrubbed.endswith("\nand go on with it")
    assert SCRUBBER.scrub(scrubbed)[0] == scrubbed


@pytest.mark.parametrize(
    "line",
    [
        "Server=s;Database=d;User Id=sa;Password={};",
        "host=db user=app password={} dbname=shop",
        "jdbc:mysql://db/x?user=app&password={}",
        "https://x.harbor.net/login?pwd={}&next=1",
    ],
)
def test_a_word_is_a_password_among_the_settings_of_a_connection(line: str) -> None:
    scrubbed, _ = SCRUBBER.scrub(line.replace("{}", "sunflower"))

    assert "sunflower" not in scrubbed
    assert SCRUBBER.scrub("choose password=sunflower")[0] == "choose password=sunflower"


@pytest.mark.parametrize("sign", ["!", "~", "$", "."])
def test_what_follows_the_first_sign_of_a_password_is_no_mail_address(sign: str) -> None:
    scrubbed, _ = SCRUBBER.scrub(
        f"see bob:{sign}t4Rw8Nb1c@db.harbor-yard.net:5432 and to:jane7@harbor-yard.net"
    )

    assert "@db.harbor-yard.net:5432 and to:[EMAIL_1]" in scrubbed
    assert SCRUBBER.scrub(scrubbed)[0] == scrubbed
