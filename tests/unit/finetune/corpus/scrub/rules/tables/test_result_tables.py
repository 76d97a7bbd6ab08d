# SPDX-License-Identifier: Apache-2.0
import pytest

from node0.finetune.corpus.scrub.rules.tables.result_tables import table_values


def found_in(text: str) -> list[str]:
    return [text[found.start : found.end] for found in table_values(text)]


@pytest.mark.parametrize(
    "text",
    [
        " id | login | password\n----+-------+----------\n"
        "  1 | bob   | fennelseed\n  2 | eve   | Tr0ub4dor\n(2 rows)\n",
        "+----+-------------+\n| id | db_password |\n+----+-------------+\n"
        "|  1 | fennelseed  |\n|  2 | Tr0ub4dor   |\n+----+",
        "id,passwd,role\n1,fennelseed,admin\n2,Tr0ub4dor,guest\n",
        'a line\r\nid,"password"\r\n1,"fennelseed"\r\n2,Tr0ub4dor\r\n',
    ],
)
def test_what_stands_below_a_header_for_a_secret_is_found(text: str) -> None:
    assert found_in(text) == ["fennelseed", "Tr0ub4dor"]


@pytest.mark.parametrize(
    "text",
    [
        " column | type\n--------+------\n password | text\n",
        " login | password_hash\n-------+------------\n bob | fennelseed\n",
        " login | password\n-------+----------\n bob   | NULL\n eve | required\n",
        "option | token_count\n-------+------\n one | fennelseed\n",
        " login | secret\n-------+--------\n bob   | fennel\n",
        "the password, the token\nand, so on\n",
        "id,name\n1,fennelseed\n",
        " login | password\n-------+----------\nfennelseed\n",
    ],
)
def test_other_cells_stay(text: str) -> None:
    assert found_in(text) == []
