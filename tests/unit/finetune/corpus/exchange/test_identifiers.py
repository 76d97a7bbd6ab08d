# SPDX-License-Identifier: Apache-2.0
import base64

import pytest
from thread_time import least_seconds

from node0.finetune.corpus.exchange.identifiers import Identifiers
from node0.finetune.corpus.scrubber import CorpusScrubber

IDENTIFIERS = Identifiers(
    rigs=frozenset({"harbor-yard", "lantern"}),
    names=frozenset({"joe", "Ada Lovell", "acme-corp", "build-box"}),
    prefixes=frozenset({"hy", "hq"}),
    beads=frozenset({"hy-x7k2q", "hq-cv-9ab2"}),
)
SCRUBBER = CorpusScrubber(rules=[IDENTIFIERS], voters=())


def scrubbed(text: str) -> str:
    once, _ = SCRUBBER.scrub(text)
    assert SCRUBBER.scrub(once)[0] == once
    return once


@pytest.mark.parametrize(
    "text",
    [
        "harbor-yard", "Harbor Yard", "HARBOR_YARD", "harborYard", "harbor.yard",
        "harbor-\n  yard", "harbor%2Dyard", "harbor\\u002dyard", "\\nharbor-yard",
    ],
)  # fmt: skip
def test_a_rig_goes_however_it_is_spelled(text: str) -> None:
    left = scrubbed(f"In {text}/polecats, HarborYardClient and lanterns.")

    assert "arbor" not in left.lower()
    assert "lantern" not in left
    assert "[RIG_1]/polecats" in left


def test_a_word_that_only_holds_a_name_stays() -> None:
    assert scrubbed("joey enlanterned a yard") == "joey enlanterned a yard"


@pytest.mark.parametrize(
    "text",
    [
        "hy-x7k2q", "HY-X7K2Q", "hy_x7k2q", "hy-x7k2q.1.2", "polecat/nux/hy-x7k2q@mk1",
        "hy%2Dx7k2q", "bead x7k2q", "hy-wisp-x7k2q", "hy-\nx7k2q", '{"id":"hy-x7k2q"}', "\\nhy-x7k2q",
        "hq-cv-9ab2",
    ],
)  # fmt: skip
def test_a_bead_goes_however_it_is_spelled(text: str) -> None:
    left = scrubbed(f"close {text} now").lower()

    assert "x7k2q" not in left
    assert "9ab2" not in left


def test_beads_that_nobody_knew_go_by_their_prefix_and_roles_stay() -> None:
    assert (
        scrubbed("hy-abcde, hq-mayor, gt-9zzzz and commit 3f2a9c1")
        == "[BEAD_1], hq-mayor, gt-9zzzz and commit 3f2a9c1"
    )


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("cd /srv/gt/x/src/app.py:12: no", "cd [PATH_1]:12: no"),
        ("-srv-gt-deacon", "[PATH_1]"),
        ('open("/srv/it/My Project/src/x.py")', 'open("[PATH_1]")'),
        ("C:\\it\\x\\y.py D:/it/x/y", "[PATH_1] [PATH_2]"),
        ("file:///srv/x/y -I/opt/inc/x", "file://[PATH_1] -I[PATH_2]"),
        ('{"out": "\\n/srv/a/b"}', '{"out": "\\n[PATH_1]"}'),
        ("~/projects/x/y", "[PATH_1]"),
        ("in /srv/it/deep/down/tree7x\nToday is a day", "in [PATH_1]\nToday is a day"),
        ("in /srv/it/deep/down/tr\nee7x9q_more", "in [PATH_1]"),
        ("%2Fsrv%2Fgt%2Fsecret", "[PATH_1]"),
    ],
)
def test_absolute_paths_go_whole(text: str, left: str) -> None:
    assert scrubbed(text) == left


def test_what_every_machine_has_stays() -> None:
    text = "src/app/x.py ./a/b ../c/d /usr/bin/env /dev/null /v1/messages and/or ~/gt/CLAUDE.md https://docs.python.org/3/re"

    assert scrubbed(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "joe@build-box:~$ ls", "ssh joe@build01 uptime", "https://git.acme-corp.io/acme/secret",
        "wiki.acme.corp", "git@github.com:acme-corp/secret.git", "postgres://db.acme.internal:5432/secret",
        "Joe, Ada Lovell, ada.lovell", "ssh://joe@git.acme.io/secret",
    ],
)  # fmt: skip
def test_people_machines_and_repositories_go(text: str) -> None:
    left = scrubbed(text).lower()

    assert not [word for word in ("joe", "lovell", "acme", "build", "secret") if word in left]


def test_a_name_inside_base64_takes_the_blob_with_it() -> None:
    blob = base64.b64encode(b"our rig is harbor-yard, as ever").decode()

    assert scrubbed(f"x {blob} y") == "x [REDACTED:rig] y"


def test_the_version_of_a_scrubber_tells_no_name() -> None:
    assert "harbor" not in IDENTIFIERS.identity
    assert Identifiers(rigs=frozenset({"other"})).identity != IDENTIFIERS.identity


@pytest.mark.parametrize(
    "piece", ["/", "/a", "/a/", "a.", "a@", "-home-a", "://a", "harbor ", "hy-", "~/a/", "C:\\a", "a b/"]
)
def test_time_is_linear_in_hostile_text(piece: str) -> None:
    text = piece * (200_000 // len(piece))

    assert least_seconds(lambda: list(IDENTIFIERS.findings(text)), below=3) < 3
