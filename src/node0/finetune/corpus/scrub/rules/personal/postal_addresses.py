# SPDX-License-Identifier: Apache-2.0
"""The rules for postal addresses: a street with its number, and a postcode with its town behind it.

Licences and imprints give those of organisations: a word before has to say that somebody lives there.
"""

import re
import string

from node0.finetune.corpus.scrub.finding import Tier
from node0.finetune.corpus.scrub.rules.secret_rule import SecretRule, make_rule

CAPITAL = r"[A-Z\xc0-\xde]"
TOWN = (
    rf"{CAPITAL}(?:[\w\xc0-\u024f'-]|\.(?= {CAPITAL})){{1,30}}(?: {CAPITAL}[\w\xc0-\u024f'-]{{1,30}}){{0,2}}"
)
APART = r"(?:,?[ \t]{1,2}|,?[ \t]{0,2}\r?\n[ \t]{0,8}|, ?)"
UK_POSTCODE = r"[A-Z]{1,2}\d[A-Z\d]? ?\d[A-Z]{2}(?!\w)"
ROADS = "Street Road Avenue Lane Drive Close St Ave"

BESIDE = 160
"Characters before an address that may say whose it is."

HOME = re.compile(
    r"\b(?:address(?:es)?|ship|deliver\w*|live[sd]?|living|home|send|mail it|moved|adress[ei]|\w*anschrift"
    r"|\w*adresse|wohn\w*|schick\w*"
    r"|livr\w+|habit\w+|envo\w+|direcci.n|domicilio|vivo|env.a\w*|indirizzo|abito|spedi\w*|endere.o|moro|adres|woon|mieszka\w*)\b",
    re.IGNORECASE,
)
ORGANISATION = re.compile(
    r"\b(?:Inc|Ltd|LLC|Corp(?:oration)?|GmbH|AG|S\.?A|Foundation|Institute|University"
    r"|Company|Copyright|[Oo]ffices?|Department|write to)\b"
)


def at_home(match: re.Match[str]) -> Tier | None:
    """Where somebody lives, as what stands before says."""
    before = match.string[max(0, match.start("secret") - BESIDE) : match.start("secret")]
    return Tier.REDACT if HOME.search(before) and not ORGANISATION.search(before) else None


ADDRESS_RULES: tuple[SecretRule, ...] = (
    make_rule(
        "address",
        "straße strasse str. weg␣ platz␣ allee␣",
        rf"[^\n]{{0,32}}?(?P<secret>"
        rf"(?<![\w\xc0-\u024f-]){CAPITAL}[\w\xc0-\u024f.-]{{0,30}}?"
        rf" ?(?:straße|strasse|str\.|weg|platz|allee) ?\d{{1,4}} ?[a-z]?{APART}"
        rf"(?:(?:D|A|CH)-)?\d{{4,5}} {TOWN})",
        at_home,
        before=string.ascii_letters + "äöüÄÖÜß-",
        reach=32,
    ),
    make_rule(
        "address",
        " ".join(f"␣{road}" for road in ROADS.split()),
        rf"(?:[^\n]{{0,64}}?(?<![\w.,:-]))??(?P<secret>\d{{1,5}}[A-Za-z]? "
        rf"(?:{CAPITAL}[a-z'.]{{1,20}} ){{1,3}}(?:{'|'.join(ROADS.split())})\b\.?"
        rf"(?:{APART}(?:(?:apt|apartment|flat|unit|suite|#)\.? ?\w{{1,6}}|{TOWN})){{0,2}}"
        rf"{APART}(?:[A-Z]{{2}} \d{{5}}(?:-\d{{4}})?(?!\w)|{UK_POSTCODE}))",
        at_home,
        before=string.ascii_letters + string.digits + " '.",
        reach=64,
    ),
    make_rule(
        "address",
        "rue␣ via␣ calle␣ rua␣",
        rf"[ ,]{{0,8}}(?P<secret>(?:\d{{1,4}}(?: bis| ter)?,? )?(?:rue|via|calle|rua) [^\n,;:=<>()\d]{{2,40}}"
        rf"(?:,? (?:n[.º°] ?)?\d{{1,4}} ?[a-z]?)?{APART}(?:\d{{4}}-\d{{3}}|\d{{5}}) {TOWN})",
        at_home,
        before=string.digits + " ,",
        reach=8,
        fold=True,
    ),
)
