# SPDX-License-Identifier: Apache-2.0
import random
import string

import pytest

from node0.finetune.corpus.scrub.text_scrubber import TextScrubber

SCRUBBER = TextScrubber(voters=())
SIGNS = string.ascii_letters + string.digits + "+/"
KINDS = ("RSA PRIVATE KEY", "EC PRIVATE KEY", "PRIVATE KEY", "OPENSSH PRIVATE KEY", "PGP PRIVATE KEY BLOCK")
PROSE = "The key above is cut off. Please look into the file, and tell me what you see.\nNext line here.\n"
CODE = "def some_function(path):\n    return generateTestCertificateBundle(path)\n" * 40


def lines(rng: random.Random, *, count: int = 4) -> list[str]:
    return ["".join(rng.choice(SIGNS) for _ in range(64)) for _ in range(count)]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "mention",
    [
        'if line == "-----BEGIN {0}-----":\n',
        "grep -r -- '-----BEGIN {0}-----' .\n",
        "start, end = '-----BEGIN {0}-----', '-----END {0}-----'\n",
        'PEM = re.compile("-----BEGIN {0}-----.*?-----END {0}-----", re.DOTALL)\n',
        "the text -----BEGIN {0}----- begins a key, and -----END {0}----- ends it\n",
    ],
)
def test_a_header_that_is_only_mentioned_takes_nothing(kind: str, mention: str) -> None:
    text = f"{PROSE}{mention.format(kind)}{CODE}"

    assert SCRUBBER.scrub(text) == (text, [])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(5))
def test_of_a_key_without_its_end_only_the_key_goes(kind: str, seed: int) -> None:
    body = lines(random.Random(f"{kind} {seed}"))
    torn = "\n".join([f"-----BEGIN {kind}-----", *body, body[0][:19] + "9"])

    for after in ("\n\n", "\n...\n", "\n[cut]\n"):
        assert SCRUBBER.scrub(f"x\n{torn}{after}{PROSE}")[0] == f"x\n[REDACTED:private-key]{after}{PROSE}"


@pytest.mark.parametrize("kind", KINDS)
def test_of_a_key_without_its_beginning_the_prose_before_stays(kind: str) -> None:
    body = "\n".join(lines(random.Random(kind)))

    scrubbed, _ = SCRUBBER.scrub(f"{PROSE}\n{body}\n-----END {kind}-----\n{PROSE}")

    assert scrubbed == f"{PROSE}\n[REDACTED:private-key]\n{PROSE}"


@pytest.mark.parametrize("margin", ["", "+", "-", "> ", "| ", "    ", "# ", " * ", "// "])
@pytest.mark.parametrize("fields", [(), ("Proc-Type: 4,ENCRYPTED", "DEK-Info: AES-128-CBC,0A1B", "")])
def test_a_whole_key_goes_behind_any_margin(margin: str, fields: tuple[str, ...]) -> None:
    body = lines(random.Random(margin))
    block = ["-----BEGIN RSA PRIVATE KEY-----", *fields, *body, "-----END RSA PRIVATE KEY-----"]

    scrubbed, _ = SCRUBBER.scrub("\n".join(["context", *(margin + line for line in block), "context"]))

    assert not [line for line in body if line[:12] in scrubbed or line[-12:] in scrubbed]
    assert scrubbed.startswith("context\n")
    assert scrubbed.endswith("\ncontext")
