# SPDX-License-Identifier: Apache-2.0
import json
import random

import pytest
from handed_over_lines import CALLS, CONNECTIONS, FILES, SHELL, SQL
from secret_contexts import CONTEXTS, SURVIVORS
from secret_formats import FORMATS, PLAIN, WORD, WRITTEN, pieces_left, signs
from told_sentences import PROSE

from node0.finetune.corpus.scrub.finding import Tier
from node0.finetune.corpus.scrub.rules.rule_table import SECRET_RULES
from node0.finetune.corpus.scrubber import CorpusScrubber

SCRUBBER = CorpusScrubber()


@pytest.mark.parametrize("name", FORMATS)
def test_no_piece_of_a_secret_is_left(name: str) -> None:
    rng = random.Random(name)
    for form, written in WRITTEN.items():
        for _ in range(3):
            whole, secret = FORMATS[name](rng)

            scrubbed, found = SCRUBBER.scrub(written(whole))

            assert pieces_left(scrubbed, secret) == [], (form, written(whole), scrubbed)
            assert any(line.startswith("redact") for line in found), (form, whole, scrubbed)
            assert form not in PLAIN or all(line.startswith("redact") for line in found)


@pytest.mark.parametrize("name", CONTEXTS)
def test_what_stands_around_a_secret_gives_it_away(name: str) -> None:
    rng = random.Random(name)
    for _ in range(20):
        whole, secret = CONTEXTS[name](rng)
        for written in (whole, f"before\n{whole}\nafter", json.dumps({"output": whole})):
            scrubbed, _ = SCRUBBER.scrub(written)

            assert pieces_left(scrubbed, secret) == [], (written, scrubbed)


@pytest.mark.parametrize("text", SURVIVORS)
def test_what_only_looks_like_a_secret_survives(text: str) -> None:
    assert SCRUBBER.scrub(text) == (text, [])


def test_every_rule_of_the_table_fires_on_some_format() -> None:
    rng = random.Random(0)
    texts = [make(rng)[0] for make in (*FORMATS.values(), *CONTEXTS.values())]
    texts += [
        "https://" + signs(rng, WORD, 40) + "@git.io",
        "curl -u bob:" + signs(rng, WORD, 16),
        "bearer " + signs(rng, WORD, 30),
        "mysql -uroot -p" + signs(rng, WORD, 14),
        'password = "correct horse battery staple"',
        "<password>correct horse battery staple</password>",
        "DB_PASSWORD=correct horse battery staple",
        '"db_secret": {"value": "' + signs(rng, WORD, 14) + '"}',
        "https://bob:ab3!/" + signs(rng, WORD, 14) + "@git.harbor-yard.net/x",
        "https://discord.gg/x7KpQ2vN9m",
        "bob:Tr0ub4dor_3x@db.harbor-yard.net:5432",
        'db.auth("bob", "Tr0ub4dor_3x")',
        "chpasswd <<< 'bob:Tr0ub4dor_3x'",
        'ALTER USER bob IDENTIFIED BY "x9" REPLACE "Tr0ub4dor_3x";',
        "conn system/Tr0ub4dor_3x@orcl",
        "encryptbypassphrase('Tr0ub4dor_3x', x)",
        "Enter password:\nTr0ub4dor_3x\n",
        "password:\nTr0ub4dor_3x\n",
        "the verification code is 904417",
        "CVV: 417",
        "my backup codes:\n41fa-22bc\n90ce-7d1f",
        "mnemonic: gravel otter pencil raft sunset velvet cabin anchor timber walnut fabric zebra",
        "CPF: 390.533.447-05",
        "my address is 4 Granite Close, York YO1 7HH",
        "ich wohne Birkenstraße 9, 24103 Kiel",
        "indirizzo: via Garibaldi 12, 16124 Genova",
        "kubectl create secret generic x --from-literal='password=Tr0ub4dor_3x'",
        "aes_key = {0x1f, 0x83, 0x02, 0xd9, 0x44, 0x7b, 0xa0, 0x6e}",
        "seed: lamp river stone cloud apple tiger motor piano glass honey robot winter",
        *(
            line.replace("{}", "Tr0ub4dor_3x")
            for line in (*SHELL, *CONNECTIONS, *SQL, *FILES, *CALLS, *PROSE)
        ),
    ]

    silent = [
        rule.pattern.pattern
        for rule in SECRET_RULES
        if not any(
            (found := rule.pattern.search(text)) and rule.judge(found) is Tier.REDACT for text in texts
        )
    ]

    assert silent == []
